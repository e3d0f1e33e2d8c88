// One tenant sends three hundred requests, another sends three a moment later. They share a node fairly, so the second
// does not queue behind the first. A weight gives a paying tenant a larger share.
//
//   npm run example examples/tenant-fairness/main.ts
import { pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { create, payloadNode } from "penguiflow";

const ROUNDS = 2_000;

// `concurrency` is the shared resource: two requests are handled at a time, the others take turns
const derive = payloadNode({ name: "derive", policy: { concurrency: 2 } }, async (password: string) => {
  const key = await promisify(pbkdf2)(password, "salt", ROUNDS, 32, "sha256");
  return key.toString("hex");
});

export function createFlow() {
  // unbounded queue: here every request waits before the node, while a service lets its callers wait outside
  return create(derive.to(), { name: "tenant-fairness", queueMaxSize: 0, tenantWeights: { paying: 4 } });
}

export async function main() {
  await using flow = createFlow();
  flow.run();

  const served: string[] = [];
  const ask = async (tenant: string, count: number) => {
    const asked = Array.from({ length: count }, async (_, index) => {
      await flow.call(`${tenant} ${index}`, { tenant });
      served.push(tenant);
    });
    await Promise.all(asked);
  };
  await Promise.all([ask("noisy", 300), ask("paying", 60), ask("quiet", 3)]);

  const lastOf = (tenant: string) => served.lastIndexOf(tenant) + 1;
  for (const tenant of ["quiet", "paying", "noisy"]) {
    console.log(`${tenant.padEnd(7)} had its last answer as number ${lastOf(tenant)} of ${served.length}`);
  }
  return { served, quiet: lastOf("quiet"), paying: lastOf("paying"), noisy: lastOf("noisy") };
}

if (import.meta.main) await main();
