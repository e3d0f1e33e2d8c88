// One handler processes many items concurrently: never more at once than its limit, with results in the items' order.
// When one item fails, the others are aborted.
//
//   npm run example examples/map-concurrent/main.ts
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { create, mapConcurrent, payloadNode } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);
const AT_ONCE = 4;

const list = payloadNode("list", (pattern: string) => globSync(pattern, { cwd: REPOSITORY }).toSorted());

const fingerprint = payloadNode(
  { name: "fingerprint", policy: { timeoutMs: 30_000 } },
  async (files: string[], ctx) => {
    let open = 0;
    let mostAtOnce = 0;
    const hashes = await mapConcurrent(
      files,
      async (file, _index, signal) => {
        mostAtOnce = Math.max(mostAtOnce, ++open);
        const bytes = await readFile(new URL(file, REPOSITORY), { signal });
        open -= 1;
        return { file, sha256: createHash("sha256").update(bytes).digest("hex") };
      },
      { maxConcurrency: AT_ONCE, signal: ctx.signal },
    );
    return { hashes, mostAtOnce };
  },
);

export function createFlow() {
  return create(list.to(fingerprint), { name: "map-concurrent" });
}

export async function main(pattern = "docs/guides/*.md") {
  await using flow = createFlow();
  flow.run();

  const { hashes, mostAtOnce } = await flow.call(pattern, { tenant: "acme" });
  for (const { file, sha256 } of hashes) console.log(sha256.slice(0, 12), file);
  console.log(`${hashes.length} files, at most ${mostAtOnce} at once`);
  return { hashes, mostAtOnce };
}

if (import.meta.main) await main();
