// One text goes to three nodes at once; a join waits for all three and passes on their findings together.
//
//   npm run example examples/fanout-join/main.ts
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { create, joinK, payloadNode } from "penguiflow";
import { z } from "zod";

const REPOSITORY = new URL("../../", import.meta.url);
const compress = promisify(gzip);

const Finding = z.discriminatedUnion("by", [
  z.object({ by: z.literal("size"), bytes: z.int(), gzipped: z.int() }),
  z.object({ by: z.literal("words"), total: z.int(), different: z.int() }),
  z.object({ by: z.literal("hash"), sha256: z.string() }),
]);
type Finding = z.infer<typeof Finding>;

const read = payloadNode({ name: "read", policy: { timeoutMs: 5_000 } }, (file: string, ctx) =>
  readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal }),
);

const size = payloadNode("size", async (text: string): Promise<Finding> => {
  return { by: "size", bytes: Buffer.byteLength(text), gzipped: (await compress(text)).length };
});

const words = payloadNode("words", (text: string): Finding => {
  const all = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  return { by: "words", total: all.length, different: new Set(all).size };
});

const hash = payloadNode("hash", (text: string): Finding => {
  return { by: "hash", sha256: createHash("sha256").update(text).digest("hex") };
});

const gather = joinK("gather", 3, { input: Finding, timeoutMs: 10_000 });

// the findings are in order of arrival, so each one names itself
const report = payloadNode("report", (findings: [Finding, Finding, Finding]) => {
  return Object.fromEntries(findings.map(({ by, ...finding }) => [by, finding]));
});

export function createFlow() {
  return create(read.to(size, words, hash), size.to(gather), words.to(gather), hash.to(gather), gather.to(report), {
    name: "fanout-join",
  });
}

export async function main(file = "LICENSE") {
  await using flow = createFlow();
  flow.run();

  const found = await flow.call(file, { tenant: "acme", timeoutMs: 10_000 });
  console.log(file, found);
  return found;
}

if (import.meta.main) await main();
