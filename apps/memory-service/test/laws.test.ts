import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { hashEmbedder, MemoryError, type MemoryHandle } from "@penguiflow/memory-service";
import { bytesOf, codeOf, ownFolder, ownMemory } from "./own-memory.ts";

const ADA = { tenant: "acme", user: "ada" };
const BOB = { tenant: "acme", user: "bob" };
const EVE = { tenant: "other", user: "eve" };

const texts = async (handle: MemoryHandle, query: string): Promise<string[]> =>
  (await handle.retrieve({ query })).items.map(({ text }) => text);

test("M1: a principal that does not fit is refused before anything is done for it", async () => {
  const memory = await ownMemory();
  for (const tenant of ["", "A", "a/b", "..", "a".repeat(64)])
    expect(() => memory.as({ tenant, user: "ada" })).toThrow(TypeError);
  for (const user of ["", "a b", "a/b", "a\n", "x".repeat(129)])
    expect(() => memory.as({ tenant: "acme", user })).toThrow(TypeError);
});

test("M2: a user sees private fragments of its own, those of the tenant, and those that were shared with it", async () => {
  const memory = await ownMemory();
  const [ada, bob, eve] = [memory.as(ADA), memory.as(BOB), memory.as(EVE)];
  const own = await ada.ingest({ text: "penguins are private" });
  await ada.ingest({ text: "penguins of the tenant", level: "tenant" });
  expect(await texts(bob, "penguins")).toEqual(["penguins of the tenant"]);
  await ada.share(own.id, EVE);
  expect(await texts(eve, "penguins")).toEqual([]);
  expect((await eve.federatedQuery({ query: "penguins" })).items.map(({ text, tenant }) => [text, tenant])).toEqual([
    ["penguins are private", "acme"],
  ]);
  expect((await eve.list()).items).toEqual([]);
});

test("M3: the answers of a tenant are the same whether others exist or not", async () => {
  const answers = async (others: boolean): Promise<string> => {
    const clock = new TestClock();
    const memory = await ownMemory({ clock, embedder: hashEmbedder() });
    const ada = memory.as(ADA);
    if (others)
      for (let at = 0; at < 20; at++) await memory.as(EVE).ingest({ text: `rare penguins ${at}`, level: "tenant" });
    const ids: string[] = [];
    for (const text of ["rare penguins swim", "common penguins swim", "penguins"]) {
      ids.push((await ada.ingest({ text })).id);
      clock.skip(1);
    }
    await memory.drained();
    const shared = await ada.share(ids[0] ?? "", { tenant: "other", user: "frank" });
    const recall = await ada.retrieve({ query: "rare penguins", explain: true });
    const listed = await ada.list();
    const federated = await ada.federatedQuery({ query: "rare penguins" });
    const text = JSON.stringify([shared, recall, listed.items, federated]);
    // ids are random: they are numbered by their place
    return ids.reduce((all, id, at) => all.replaceAll(id, `#${at}`), text);
  };
  expect(await answers(true)).toBe(await answers(false));
});

/** Returns the refusal of a call, which is asked again where a busy machine gave it up; "kept" when there is none. */
async function refusalOf(call: () => Promise<unknown>): Promise<string> {
  for (;;) {
    const error: unknown = await call().then(
      () => "kept",
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof MemoryError && error.code === "DEADLINE")) return JSON.stringify([error, String(error)]);
  }
}

test("M4: a fragment that one may not see is refused as one that never was, by every method", async () => {
  const memory = await ownMemory();
  const { id } = await memory.as(ADA).ingest({ text: "hidden" });
  const mine = await memory.as(BOB).ingest({ text: "mine" });
  const bob = memory.as(BOB);
  const calls: readonly ((other: string) => Promise<unknown>)[] = [
    async (other) => await bob.get(other),
    async (other) => await bob.setPrivacy(other, "tenant"),
    async (other) => await bob.share(other, EVE),
    async (other) => await bob.unshare(other, EVE),
    async (other) => await bob.reinforce(other, 1),
    async (other) => await bob.supersede(other, mine.id),
    async (other) => await bob.supersede(mine.id, other),
    async (other) => await bob.feedback({ id: other, helpful: true }),
    async (other) => await bob.previewErasure(other),
    async (other) => await bob.erase(other),
    async (other) => await bob.ingest({ text: "newer", supersedes: other }),
  ];
  const refusals: string[] = [];
  for (const call of calls)
    for (const other of [id, "never-was"]) refusals.push(await refusalOf(async () => await call(other)));
  expect(new Set(refusals).size).toBe(1);
  expect(refusals[0]).toContain("NOT_FOUND");
  expect((await bob.events({ fragment: id })).items).toEqual([]);
  expect((await memory.as(ADA).get(id)).history.map(({ type }) => type)).toEqual(["created"]);
}, 120_000);

test("M5: a recall that was under way when a grant was taken back does not have the fragment", async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
  const rerank = async (_: string, given: readonly string[]): Promise<number[]> => {
    ask();
    await goOn;
    return given.map(() => 1);
  };
  const memory = await ownMemory({
    reranker: { use: { name: "slow", rerank }, timeoutMs: 20_000 },
    limits: { requestMs: 30_000 },
  });
  const ada = memory.as(ADA);
  const { id } = await ada.ingest({ text: "penguins swim" });
  await ada.share(id, BOB);
  const underWay = memory.as(BOB).retrieve({ query: "penguins" });
  await asked;
  await ada.unshare(id, BOB);
  release();
  expect((await underWay).items).toEqual([]);
});

test("M5: leaving the level shared ends the grants, and none revives", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const { id } = await ada.ingest({ text: "penguins swim" });
  await ada.share(id, BOB);
  await ada.setPrivacy(id, "private");
  await ada.setPrivacy(id, "shared");
  expect(await codeOf(memory.as(BOB).get(id))).toBe("NOT_FOUND");
  expect((await ada.get(id)).grants).toEqual([]);
});

test("M5: a grant ends at its instant", async () => {
  const clock = new TestClock();
  const memory = await ownMemory({ clock });
  const { id } = await memory.as(ADA).ingest({ text: "penguins swim" });
  await memory.as(ADA).share(id, BOB, { expiresAt: clock.epochNow() + 1_000 });
  expect(await texts(memory.as(BOB), "penguins")).toHaveLength(1);
  clock.skip(1_000);
  expect(await texts(memory.as(BOB), "penguins")).toEqual([]);
});

test("M6: words of a private neighbour do not make a visible fragment findable", async () => {
  const memory = await ownMemory();
  const [ada, bob] = [memory.as(ADA), memory.as(BOB)];
  const conversation = "zoo";
  const [secret] = (
    await ada.ingest([
      { text: "The safe is behind the aquarium.", conversation },
      { text: "See you at seven.", conversation, level: "tenant" },
    ])
  ).ids;
  expect(await texts(bob, "aquarium")).toEqual([]);
  await ada.setPrivacy(secret ?? "", "tenant");
  expect(await texts(bob, "aquarium")).toHaveLength(2);
  await ada.setPrivacy(secret ?? "", "private");
  expect(await texts(bob, "aquarium")).toEqual([]);
});

test("M6: an erased fragment gives its neighbours no context any more", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const conversation = "zoo";
  const { ids } = await ada.ingest([
    { text: "The aquarium opens.", conversation },
    { text: "See you at seven.", conversation },
  ]);
  expect(await texts(ada, "aquarium")).toHaveLength(2);
  await ada.erase(ids[0] ?? "");
  expect(await texts(ada, "aquarium")).toEqual([]);
});

test("M7: no file has bytes of an erased fragment, its neighbours' context, its conversation or its key", async () => {
  const directory = ownFolder();
  const lines: string[] = [];
  const write = (message: string, fields?: object): void => void lines.push(message + JSON.stringify(fields));
  const logger = { debug: write, info: write, warn: write, error: write };
  const embed = async (): Promise<never> => {
    throw new Error("cannot embed canarytext");
  };
  const memory = await ownMemory({ directory, logger, embedder: { name: "broken", dims: 16, embed } });
  const ada = memory.as(ADA);
  const said = { text: "canarytext lives here", conversation: "canaryconversation", source: "canarysource" } as const;
  const { ids } = await ada.ingest([said, { text: "the neighbour stays", conversation: "canaryconversation" }], {
    idempotencyKey: "canarykey",
  });
  await ada.retrieve({ query: "canarytext canaryquery", within: "canaryconversation" });
  await ada.reinforce(ids[0] ?? "", 1, { idempotencyKey: "canarykey" });
  await memory.drained();
  const before = [...bytesOf(directory)].filter(([, bytes]) => bytes.includes("canarytext"));
  expect(before.map(([file]) => file)).not.toEqual([]);
  await ada.erase(ids[0] ?? "");
  await ada.erase(ids[1] ?? "");
  const after = [...bytesOf(directory)].filter(([, bytes]) => bytes.includes("canary"));
  expect(after.map(([file]) => file)).toEqual([]);
  expect(lines.join("\n")).not.toContain("canary");
  expect((await ada.events()).items.map(({ type }) => type)).toEqual(["erased", "erased"]);
  await memory.close();
  const closed = [...bytesOf(directory)].filter(([, bytes]) => bytes.includes("canary"));
  expect(closed.map(([file]) => file)).toEqual([]);
});

test("M7: erasing a user, or a tenant, leaves no byte of it", async () => {
  const directory = ownFolder();
  const memory = await ownMemory({ directory, embedder: hashEmbedder() });
  const admin = memory.as({ ...EVE, scopes: ["read", "write", "admin"] });
  for (let at = 0; at < 250; at++) await memory.as(ADA).ingest({ text: `canary ${at}`, conversation: "c" });
  await memory.as(BOB).ingest({ text: "bob stays" });
  await admin.ingest({ text: "canary of a tenant" });
  await memory.drained();
  expect(await memory.as(ADA).eraseUser()).toEqual({ erased: 250 });
  await admin.eraseTenant();
  expect([...bytesOf(directory)].filter(([, bytes]) => bytes.includes("canary")).map(([file]) => file)).toEqual([]);
  expect(await texts(memory.as(BOB), "bob")).toEqual(["bob stays"]);
  expect(await codeOf(admin.list())).not.toBe("no error");
});

test("M9: the same key keeps one fragment and gets the first answer; another body is refused", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const write = async (text: string) => await ada.ingest({ text }, { idempotencyKey: "k" });
  const [first, ...others] = await Promise.all([write("once"), write("once"), write("once")]);
  expect([first, ...others].filter(({ created }) => created)).toHaveLength(1);
  expect(new Set([first, ...others].map(({ id }) => id)).size).toBe(1);
  expect((await ada.list()).items).toHaveLength(1);
  expect(await codeOf(write("twice"))).toBe("KEY_REUSED");
  expect((await memory.as(BOB).ingest({ text: "bob's own" }, { idempotencyKey: "k" })).created).toBe(true);
  await ada.erase(first.id);
  expect(await write("once")).toMatchObject({ id: first.id, created: false });
  expect((await ada.list()).items).toEqual([]);
});

test("M11: each stage that fell back is named with a reason of the closed list", async () => {
  const dims = 16;
  const scores = (given: number[]) => ({ use: { name: "judge", rerank: async () => given } });
  const recallOf = async (options: Parameters<typeof ownMemory>[0]) => {
    const memory = await ownMemory(options);
    await memory.as(ADA).ingest({ text: "penguins swim" });
    return await memory.as(ADA).retrieve({ query: "penguins" });
  };
  const embed = async (): Promise<never> => {
    throw new Error("down");
  };
  const broken = { name: "broken", dims, embed };
  expect((await recallOf({})).fallbacks).toEqual([
    { stage: "embed", reason: "not_configured" },
    { stage: "rerank", reason: "not_configured" },
  ]);
  expect((await recallOf({ embedder: broken, worker: false })).fallbacks[0]).toEqual({
    stage: "embed",
    reason: "error",
  });
  const reranked = await recallOf({ embedder: hashEmbedder(), reranker: scores([0.5]) });
  expect([reranked.ranker, reranked.fallbacks]).toEqual(["judge", []]);
  expect((await recallOf({ reranker: scores([Number.NaN]) })).fallbacks[1]?.reason).toBe("bad_scores");
  expect((await recallOf({ reranker: { ...scores([1]), percent: 0 } })).fallbacks[1]?.reason).toBe("not_rolled_out");
  const hanging = { use: { name: "hangs", rerank: () => new Promise<never>(() => {}) }, timeoutMs: 5 };
  expect((await recallOf({ reranker: hanging })).fallbacks[1]?.reason).toBe("timeout");
});

test("M12: nothing typed is syntax of the search, of SQL or of a log", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const hostile = [
    '"',
    "a AND b",
    "NEAR(a b)",
    "text:x",
    "x*",
    "'; drop table fragment; --",
    "-not",
    "^start",
    "a\nlog line",
  ];
  for (const text of hostile) await ada.ingest({ text, source: "' or 1=1 --" });
  for (const query of hostile) {
    const { items } = await ada.retrieve({ query, limit: 50 });
    expect(items.every(({ text }) => hostile.includes(text))).toBe(true);
  }
  expect((await ada.list()).items).toHaveLength(hostile.length);
});
