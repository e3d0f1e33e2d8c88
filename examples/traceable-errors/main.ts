// A failure carries its trace, tenant, node, attempt and cause. With `emitErrorsToRookery` it arrives where the results
// do, so that one loop handles both and can clean up after the failed message.
//
//   npm run example examples/traceable-errors/main.ts
import { create, FlowError, Message, payloadNode } from "penguiflow";
import { z } from "zod";

const Manifest = z.object({ name: z.string(), version: z.string().regex(/^\d+\.\d+\.\d+$/) });
type Manifest = z.infer<typeof Manifest>;

const parse = payloadNode({ name: "parse", output: Manifest }, (text: string) => JSON.parse(text) as Manifest);

const raise = payloadNode(
  { name: "raise", policy: { maxRetries: 1, backoffBaseMs: 1 } },
  ({ name, version }: Manifest) => {
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major > 99) throw new RangeError(`Version ${major} of "${name}" is beyond 99`);
    return `${name} ${major}.${minor + 1}.0`;
  },
);

export function createFlow() {
  return create(parse.to(raise), { name: "traceable-errors", emitErrorsToRookery: true });
}

const MANIFESTS = {
  good: `{ "name": "rookery", "version": "1.4.2" }`,
  "not JSON": `{ "name": "rookery", `,
  "not a manifest": `{ "name": "rookery", "version": "latest" }`,
  "too new": `{ "name": "rookery", "version": "100.0.0" }`,
};

export async function main() {
  await using flow = createFlow();
  flow.run();
  for (const [traceId, text] of Object.entries(MANIFESTS)) await flow.emit(text, { traceId, tenant: "acme" });

  const results: Record<string, string> = {};
  for (const traceId of Object.keys(MANIFESTS)) {
    const item = await flow.fetch({ traceId, tenant: "acme", timeoutMs: 5_000 });
    results[traceId] = item instanceof FlowError ? describe(item) : item.payload;
    console.log(`${traceId}: ${results[traceId]}`);
  }
  return results;
}

function describe(error: FlowError): string {
  const cause = error.unwrap();
  const { failedMessage } = error;
  return [
    `${error.code} at node "${error.node}", attempt ${error.attempt}`,
    `cause    ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`,
    // kept for cleanup, and omitted from logs and wire formats
    `message  ${failedMessage instanceof Message ? JSON.stringify(failedMessage.payload) : "unknown"}`,
    `payload  ${JSON.stringify({ ...error.toPayload(), stack: undefined, cause: undefined })}`,
  ].join("\n  ");
}

if (import.meta.main) await main();
