import { expect, test } from "vitest";
import { type Embedder, hashEmbedder } from "@penguiflow/memory-service";
import { codeOf, ownMemory } from "./own-memory.ts";

/** Requests in flight that a tenant may have. */
const MOST = 16;
const FLOOD = 10_000;

/** An embedder that never answers for texts about a hang. */
function hangingEmbedder(): Embedder & { readonly hangs: Promise<void> } {
  const hash = hashEmbedder(32);
  const { promise: never } = Promise.withResolvers<void>();
  const { promise: hangs, resolve } = Promise.withResolvers<void>();
  return {
    name: "hanging",
    dims: 32,
    hangs,
    embed: async (texts, signal, kind) => {
      if (kind === "fragment" && texts.some((text) => text.includes("hang"))) {
        resolve();
        await never;
      }
      return await hash.embed(texts, signal, kind);
    },
  };
}

test("M10: beside a hanging embedder and a flood of ingests, a third tenant waits for at most two rounds of the flood", async () => {
  const embedder = hangingEmbedder();
  const memory = await ownMemory({ embedder, limits: { tenantRequests: MOST } });
  await memory.as({ tenant: "slow", user: "eve" }).ingest({ text: "hang" });
  await embedder.hangs;
  const third = memory.as({ tenant: "third", user: "ada" });
  await third.ingest({ text: "a penguin" });

  const flooding = memory.as({ tenant: "flood", user: "eve" });
  let [begun, done] = [0, 0];
  const flood = new AbortController();
  const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
  const client = async (): Promise<void> => {
    while (begun < FLOOD && !flood.signal.aborted) {
      begun += 1;
      await flooding.ingest({ text: `text ${begun}` });
      done += 1;
      if (done === MOST) full();
    }
  };
  const clients = Array.from({ length: MOST }, client);
  await isFull;
  // a tenant takes no more than its share, however many it sends
  expect(await codeOf(flooding.ingest({ text: "one too many" }))).toBe("TENANT_LIMIT");

  const overtakenBy: number[] = [];
  const overtaken = async (request: Promise<unknown>): Promise<void> => {
    const before = done;
    await request;
    overtakenBy.push(done - before);
  };
  for (let at = 0; at < 5; at++) {
    await overtaken(third.ingest({ text: `penguin ${at}` }));
    await overtaken(third.retrieve({ query: "penguin" }));
  }
  expect(done).toBeLessThan(FLOOD);
  flood.abort();
  await Promise.all(clients);
  expect(Math.max(...overtakenBy)).toBeLessThanOrEqual(2 * MOST);
  await expect
    .poll(async () => (await third.jobs()).figures, { timeout: 60_000 })
    .toMatchObject({
      waiting: 0,
      running: 0,
      dead: 0,
    });
  expect((await memory.as({ tenant: "slow", user: "eve" }).jobs()).figures).toMatchObject({ running: 1 });
}, 120_000);
