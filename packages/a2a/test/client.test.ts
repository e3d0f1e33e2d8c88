import { A2AClientTransport } from "@penguiflow/a2a/client";
import { A2AServerAdapter, createA2AApp, type ServedFlow } from "@penguiflow/a2a/server";
import { remoteTransportContract } from "penguiflow/testing";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { BINDINGS } from "./speak.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

describe.each(BINDINGS)("over %s", (binding) => {
  const contract = remoteTransportContract({
    make: async (skills) => {
      const card = {
        name: "contract",
        description: "The skills of the contract",
        version: "1.0.0",
        skills: Object.keys(skills).map((id) => ({ id, description: id })),
      };
      const adapter = new A2AServerAdapter(skills as unknown as Record<string, ServedFlow>, { card });
      const app = createA2AApp(adapter, { handleSignals: false, drainMs: 0, grpc: {} });
      const transport = new A2AClientTransport({ bindings: [binding] });
      return { transport, agentUrl: await app.listen(), close: () => app.close() };
    },
  });
  test.each(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
