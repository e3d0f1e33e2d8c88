// The graph defines the possible routes, a table decides between them: read from a file, changed while the flow runs.
//
//   npm run example examples/routing-policy/main.ts
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { create, DictRoutingPolicy, type Message, payloadNode, predicateRouter, type RoutingPolicy } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);
const ROUTES = new URL("routes.json", import.meta.url);

interface Packed {
  readonly by: string;
  readonly bytes: number;
}

const fast = payloadNode("fast", async (text: string): Promise<Packed> => {
  return { by: "fast", bytes: (await promisify(gzip)(text, { level: 1 })).length };
});

const small = payloadNode("small", async (text: string): Promise<Packed> => {
  return { by: "small", bytes: (await promisify(brotliCompress)(text)).length };
});

export function createFlow(policy: RoutingPolicy) {
  // the router's own choice applies to tenants that the table does not list
  const bySize = (message: Message<string>) => (message.payload.length > 10_000 ? "fast" : "small");
  return create(predicateRouter("pack", bySize, { policy }).to(fast, small), { name: "routing-policy" });
}

export async function main() {
  const policy = await DictRoutingPolicy.fromFile(fileURLToPath(ROUTES), { key: (request) => request.tenant });
  await using flow = createFlow(policy);
  flow.run();

  const text = await readFile(new URL("LICENSE", REPOSITORY), "utf8");
  const pack = async (tenant: string) => {
    const outcome = await flow.outcome(text, { tenant });
    const packed = outcome.status === "completed" ? outcome.result : undefined;
    console.log(
      `${tenant.padEnd(9)} ${packed === undefined ? "is not served" : `${packed.by}: ${packed.bytes} bytes`}`,
    );
    return packed;
  };
  const before = [await pack("gold"), await pack("trial"), await pack("suspended"), await pack("stranger")];

  console.log("the table changes");
  policy.updateMapping({ gold: "small", trial: null, suspended: "fast" });
  policy.setDefault("fast");
  const after = [await pack("gold"), await pack("trial"), await pack("suspended"), await pack("stranger")];
  return { before, after };
}

if (import.meta.main) await main();
