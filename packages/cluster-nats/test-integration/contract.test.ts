import type { CheckpointStore } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { checkpointStoreContract, clusterBackendContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { testBackend } from "./server.ts";

const backends = new WeakMap<CheckpointStore, ClusterBackend>();

const ofCheckpoints = checkpointStoreContract({
  async make() {
    const backend = await testBackend();
    backends.set(backend.checkpoints, backend);
    return backend.checkpoints;
  },
  async close(checkpoints) {
    await backends.get(checkpoints)?.[Symbol.asyncDispose]();
  },
});

describe.for([
  ["checkpoints", ofCheckpoints],
  ["backend of a cluster", clusterBackendContract({ make: () => testBackend() })],
] as const)("the %s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
