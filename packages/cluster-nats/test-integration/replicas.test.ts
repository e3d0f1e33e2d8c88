import { randomUUID } from "node:crypto";
import { natsBackend } from "@penguiflow/cluster-nats";
import type { CheckpointStore } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { checkpointStoreContract, clusterBackendContract } from "penguiflow/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { natsServer } from "../../../scripts/nats-server.ts";
import { type NatsCluster, startNats } from "./own-servers.ts";
import { testBackend } from "./server.ts";

/** Whether this platform has no program for servers of its own. */
const isMissing = "missing" in (await natsServer());

let cluster: NatsCluster;

const WAIT = { timeout: 30_000, interval: 200 };

beforeAll(async () => {
  if (!isMissing) cluster = (await startNats(3)) as NatsCluster;
}, 90_000);

afterAll(async () => await (cluster as NatsCluster | undefined)?.[Symbol.asyncDispose]());

const backends = new WeakMap<CheckpointStore, ClusterBackend>();
const make = async (): Promise<ClusterBackend> =>
  await testBackend({ servers: cluster.servers.split(","), replicas: 3 });

const ofCheckpoints = checkpointStoreContract({
  async make() {
    const backend = await make();
    backends.set(backend.checkpoints, backend);
    return backend.checkpoints;
  },
  async close(checkpoints) {
    await backends.get(checkpoints)?.[Symbol.asyncDispose]();
  },
});

describe.skipIf(isMissing).for([
  ["checkpoints", ofCheckpoints],
  ["backend of a cluster", clusterBackendContract({ make })],
] as const)("with three replicas, the %s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

test.skipIf(isMissing)(
  "while the server that leads is away, batches and items are stored, each once",
  async () => {
    const name = `test_${randomUUID()}`;
    await using backend = await natsBackend({ servers: cluster.servers.split(","), replicas: 3, name });
    const partition = await backend.checkpoints.open({ partition: "p", owner: "one", leaseMs: 60_000 });
    const back = new AbortController();
    const killing = cluster.killLeader(`${name}_checkpoints`, 2_000).finally(() => back.abort());
    let number = 0;
    while (!back.signal.aborted || number < 20) {
      await partition.append({ put: [], remove: [], counts: new Map([["a", 1]]) }, number);
      number += 1;
      const body = Uint8Array.of(number % 256);
      await backend.intake.offer([{ partition: "p", lane: 1, key: `k${number}`, body }]);
    }
    await killing;
    expect([...(await partition.counts())]).toEqual([["a", number]]);
    await partition.close();
    const again = await backend.checkpoints.open({ partition: "p", owner: "two", leaseMs: 60_000 });
    expect([again.sequence, ...(await again.counts()).values()]).toEqual([number, number]);
    expect((await backend.intake.backlog(["p"])).get("p")).toBe(number);
  },
  60_000,
);

test.skipIf(isMissing)(
  "the figures tell of a replica that is down, and of none once it is back",
  async () => {
    const name = `test_${randomUUID()}`;
    await using backend = await natsBackend({ servers: cluster.servers.split(","), replicas: 3, name });
    const behind = async (): Promise<number> => (await backend.figures!()).replicasBehind!;
    await vi.waitFor(async () => expect(await behind()).toBe(0), WAIT);
    // a server calls a silent replica current for ten seconds
    const killing = cluster.killLeader(`${name}_registry`, 15_000);
    await vi.waitFor(async () => expect(await behind()).toBe(1), WAIT);
    await killing;
    await vi.waitFor(async () => expect(await behind()).toBe(0), WAIT);
  },
  90_000,
);
