import type { MemoryStore } from "./memory-store.ts";
import type { NewFragmentRow } from "./fragment-rows.ts";
import type { BlockKey } from "./vector-rows.ts";
import type { FragmentFilter } from "./sight.ts";

/** One rule that every store obeys: a test of any test runner. */
export interface StoreRule {
  readonly name: string;
  /** Rejects with the expected and the actual value when the store breaks the rule. */
  readonly run: () => Promise<void>;
}

/** Options of {@link memoryStoreContract}. */
export interface StoreContractOptions {
  /** Creates an empty store. */
  readonly make: () => MemoryStore | Promise<MemoryStore>;
}

/**
 * Returns the rules of the store port, for authors of stores. Each rule makes its own store and closes it.
 *
 * @example
 * ```ts
 * for (const { name, run } of memoryStoreContract({ make: () => sqliteStore() })) test(name, run);
 * ```
 */
export function memoryStoreContract({ make }: StoreContractOptions): StoreRule[] {
  return Object.entries(RULES).map(([name, rule]) => ({
    name,
    run: async () => {
      const store = await make();
      try {
        await rule(store);
      } finally {
        await store.close();
      }
    },
  }));
}

const NOW = 1_800_000_000_000;
/** Milliseconds after a change within which a mark is known, if the store has marks. */
const MARK_MS = 200;
const ADA = { tenant: "acme", user: "ada" };
const BOB = { tenant: "acme", user: "bob" };
const EVE = { tenant: "other", user: "eve" };

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, at) => 255 - at);

let count = 0;

function row(change: Partial<NewFragmentRow>): NewFragmentRow {
  count += 1;
  return {
    id: `id-${String(count).padStart(6, "0")}`,
    owner: "ada",
    conversation: undefined,
    position: undefined,
    text: "the gate code",
    role: "note",
    source: undefined,
    hash: "0",
    level: "private",
    saidAt: NOW,
    createdAt: NOW,
    requestKey: undefined,
    ...change,
  };
}

function same(what: string, given: unknown, wanted: unknown): void {
  const [one, other] = [JSON.stringify(given), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what} must be ${other}: got ${one}`);
}

async function insert(
  store: MemoryStore,
  change: Partial<NewFragmentRow>,
  tenant = "acme",
): Promise<{ id: string; seq: number }> {
  const made = row(change);
  return await store.write(tenant, async (rows) => ({ id: made.id, seq: await rows.fragments.insert(made) }));
}

/** Returns the mark of a tenant, which may be unknown shortly after a change. */
async function markOf(store: MemoryStore): Promise<string | undefined> {
  const until = Date.now() + MARK_MS;
  while (store.changeMark?.("acme") === undefined && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 5));
  return store.changeMark?.("acme");
}

const RULES: Readonly<Record<string, (store: MemoryStore) => Promise<void>>> = {
  async "keeps a fragment as it was"(store) {
    const text = "Grüße, 日本語 🐧 \t\n 'quoted' \"twice\" % _ \\ ; --";
    const made = row({ text, conversation: "c", position: 0, source: "Ada L.", role: "user", level: "tenant" });
    await store.write("acme", async ({ fragments }) => await fragments.insert(made));
    const kept = await store.read("acme", async ({ fragments }) => await fragments.ofOwner("ada", made.id));
    same("the text", kept?.text, text);
    same(
      "the rest",
      [kept?.owner, kept?.conversation, kept?.position, kept?.source, kept?.role, kept?.level, kept?.createdAt],
      ["ada", "c", 0, "Ada L.", "user", "tenant", NOW],
    );
  },

  async "undoes everything of a transaction that fails"(store) {
    const failed = await store
      .write("acme", async (rows) => {
        const seq = await rows.fragments.insert(row({}));
        await rows.jobs.add([seq], "m", NOW);
        throw new Error("no");
      })
      .catch((error: unknown) => error);
    same("the error", failed instanceof Error && failed.message, "no");
    same("the fragments", await store.read("acme", async (rows) => await rows.fragments.count()), 0);
    same("the jobs", (await store.read("acme", async (rows) => await rows.jobs.figures())).waiting, 0);
  },

  async "undoes a write that fails among others alone"(store) {
    const write = async (at: number): Promise<string> => {
      const work = store.write("acme", async (rows) => {
        await rows.fragments.insert(row({}));
        if (at % 3 === 1) throw new Error("no");
        // refused by the database: the first of them is kept
        if (at % 3 === 2) await rows.fragments.insert(row({ conversation: "c", position: 0 }));
      });
      return await work.then(
        () => "kept",
        () => "undone",
      );
    };
    const done = await Promise.all(Array.from({ length: 9 }, async (_, at) => await write(at)));
    const [kept, undone] = ["kept", "undone"];
    same("the writes", done.toSorted(), [kept, kept, kept, kept, undone, undone, undone, undone, undone]);
    same("the fragments", await store.read("acme", async (rows) => await rows.fragments.count()), 5);
  },

  async "marks a change with each write, if it has marks, and none with a read"(store) {
    await insert(store, {});
    const before = await markOf(store);
    await insert(store, {});
    const written = await markOf(store);
    await store.read("acme", async ({ fragments }) => await fragments.count());
    same("the mark after a read", await markOf(store), written);
    if (written !== undefined) same("whether the mark after a write is another", written !== before, true);
  },

  async "runs concurrent writes one after the other"(store) {
    const bump = async (): Promise<number> =>
      await store.write("acme", async (rows) => await rows.settings.bumpVectors());
    const marks = await Promise.all(Array.from({ length: 20 }, bump));
    same(
      "the marks",
      [...marks].sort((one, other) => one - other),
      Array.from({ length: 20 }, (_, at) => at + 1),
    );
  },

  async "shows exactly what sight allows"(store) {
    const own = await insert(store, {});
    const house = await insert(store, { level: "tenant" });
    const shared = await insert(store, { level: "shared" });
    const ended = await insert(store, { level: "shared" });
    const hidden = await insert(store, { level: "private" });
    await store.write("acme", async ({ grants }) => {
      for (const { tenant, user } of [BOB, EVE]) {
        await grants.put(shared.seq, { tenant, user, createdAt: NOW });
        await grants.put(ended.seq, { tenant, user, createdAt: NOW, expiresAt: NOW });
        // a grant shows nothing while its fragment is private
        await grants.put(hidden.seq, { tenant, user, createdAt: NOW });
      }
    });
    const all = [own, house, shared, ended, hidden].map(({ id }) => id);
    const seenBy = async (viewer: typeof ADA): Promise<string[]> => {
      const seen = await store.read("acme", async ({ fragments }) => await fragments.forViewer(viewer, all, NOW));
      return seen.map(({ id }) => id).sort();
    };
    same("ada's sight", await seenBy(ADA), all);
    same("bob's sight", await seenBy(BOB), [house.id, shared.id]);
    same("eve's sight", await seenBy(EVE), [shared.id]);
    same("the sight of a namesake in another tenant", await seenBy({ tenant: "other", user: "ada" }), []);
  },

  async "finds by stems of words in text and context, the text first, and only what the viewer sees"(store) {
    const text = await insert(store, { text: "She was walking the dogs." });
    const context = await insert(store, { text: "At seven, usually." });
    const hidden = await insert(store, { text: "walking walking walking dog", owner: "bob" });
    const other = await insert(store, { text: "Nothing of the kind." });
    await store.write(
      "acme",
      async ({ fragments }) => await fragments.setContext(context.seq, "She was walking the dogs."),
    );
    const search = async (viewer: typeof ADA, words: readonly string[]): Promise<readonly number[]> =>
      await store.read(
        "acme",
        async ({ lexical }) => await lexical.search({ viewer, words, filter: {}, limit: 50, now: NOW }),
      );
    same("ada's finds", await search(ADA, ["walk", "dog"]), [text.seq, context.seq]);
    same("bob's finds", await search(BOB, ["walks"]), [hidden.seq]);
    same("words that are syntax elsewhere", await search(ADA, ["or", "not", "near", "and", "kind"]), [other.seq]);
    await store.write("acme", async ({ fragments }) => await fragments.delete(text.seq));
    same("finds after a deletion", await search(ADA, ["dog"]), [context.seq]);
    await store.write("acme", async ({ fragments }) => await fragments.setContext(context.seq, ""));
    same("finds without the context", await search(ADA, ["dog"]), []);
  },

  async "finds rare words before frequent ones"(store) {
    for (let at = 0; at < 5; at++) await insert(store, { text: `common word number ${at}` });
    const rare = await insert(store, { text: "rare word" });
    const found = await store.read(
      "acme",
      async ({ lexical }) =>
        await lexical.search({ viewer: ADA, words: ["common", "rare"], filter: {}, limit: 2, now: NOW }),
    );
    same("the first", found[0], rare.seq);
  },

  async "lists by instant and id, the newest first, from any place"(store) {
    const made = [];
    for (const createdAt of [NOW, NOW + 1, NOW + 1, NOW + 2])
      made.push(await insert(store, { createdAt, level: "tenant" }));
    const wanted = made.map(({ id }) => id).reverse();
    const all = await store.read(
      "acme",
      async ({ fragments }) => await fragments.listForViewer(BOB, {}, undefined, 9, NOW),
    );
    same(
      "all",
      all.map(({ id }) => id),
      wanted,
    );
    const place = { createdAt: NOW + 1, id: wanted[1] ?? "" };
    const rest = await store.read(
      "acme",
      async ({ fragments }) => await fragments.listForViewer(BOB, {}, place, 9, NOW),
    );
    same(
      "the rest",
      rest.map(({ id }) => id),
      wanted.slice(2),
    );
  },

  async "filters by level, owner, conversation and instant"(store) {
    const one = await insert(store, { conversation: "c", position: 0, saidAt: NOW - 5 });
    const two = await insert(store, { level: "tenant", saidAt: NOW });
    const ids = async (filter: FragmentFilter): Promise<string[]> =>
      (
        await store.read("acme", async ({ fragments }) => await fragments.listForViewer(ADA, filter, undefined, 9, NOW))
      ).map(({ id }) => id);
    same("by level", await ids({ level: "tenant" }), [two.id]);
    same("by owner", await ids({ owner: "bob" }), []);
    same("by conversation", await ids({ conversation: "c" }), [one.id]);
    same("since", await ids({ since: NOW }), [two.id]);
    same("until", await ids({ until: NOW }), [one.id]);
  },

  async "keeps one place of a conversation once, for each owner"(store) {
    await insert(store, { conversation: "c", position: 0 });
    await insert(store, { conversation: "c", position: 0, owner: "bob" });
    const again = await insert(store, { conversation: "c", position: 0 }).catch(() => "refused");
    same("the second", again, "refused");
    const last = await store.read("acme", async ({ fragments }) => await fragments.lastPosition("ada", "c"));
    same("the last position", last, 0);
  },

  async "deletes vectors, jobs, grants and references with the fragment"(store) {
    const older = await insert(store, {});
    const newer = await insert(store, {});
    await store.write("acme", async (rows) => {
      await rows.fragments.setSuperseded(older.seq, newer.seq);
      await rows.vectors.put(newer.seq, "m", 1, new Uint8Array([1, 2, 3]));
      await rows.jobs.add([newer.seq], "m", NOW);
      await rows.grants.put(newer.seq, { ...BOB, createdAt: NOW });
      await rows.events.add({ type: "created", seq: newer.seq, owner: "ada", actor: "ada", at: NOW, traceId: "t" });
      await rows.fragments.delete(newer.seq);
    });
    await store.read("acme", async (rows) => {
      same("the vectors", await rows.vectors.count("m"), 0);
      same("the jobs", (await rows.jobs.figures()).waiting, 0);
      same("the grants", await rows.grants.of(newer.seq), []);
      same("the older one", (await rows.fragments.ofOwner("ada", older.id))?.supersededBy, undefined);
      const { events } = await rows.events.ofOwner("ada", { limit: 9 });
      same(
        "the event",
        events.map(({ type, fragment }) => [type, fragment ?? null]),
        [["created", null]],
      );
    });
  },

  async "counts what hangs on a fragment, and an owner's fragments with a vector of a model"(store) {
    const older = await insert(store, {});
    const newer = await insert(store, {});
    await insert(store, { owner: "bob" });
    await store.write("acme", async (rows) => {
      await rows.fragments.setSuperseded(older.seq, newer.seq);
      for (const model of ["m", "old"]) await rows.vectors.put(newer.seq, model, 1, new Uint8Array([1]));
      await rows.jobs.add([newer.seq], "m", NOW);
      for (const type of ["created", "embedded", "recalled"] as const)
        await rows.events.add({ type, seq: newer.seq, owner: "ada", actor: "ada", at: NOW, traceId: "t" });
    });
    await store.read("acme", async ({ fragments }) => {
      const { vectors, jobs, events } = await fragments.attachedTo(newer.seq);
      same("the newer one's", [vectors, jobs, events], [2, 1, 3]);
      const none = await fragments.attachedTo(older.seq);
      same("the older one's", [none.vectors, none.jobs, none.events], [0, 0, 0]);
      same("the hidden", [await fragments.hiddenBy(newer.seq), await fragments.hiddenBy(older.seq)], [[older.id], []]);
      const { total, ready } = await fragments.withVectors("ada", "m");
      same("ada's", [total, ready], [2, 1]);
    });
  },

  async "gives each job to one claimer until its lease ends"(store) {
    const { seq } = await insert(store, {});
    const claim = async (now: number): Promise<number> =>
      (await store.write("acme", async ({ jobs }) => await jobs.claim("m", 9, now, now + 60))).length;
    await store.write("acme", async ({ jobs }) => {
      await jobs.add([seq], "m", NOW);
      await jobs.add([seq], "m", NOW);
    });
    same("claims before it is due", await claim(NOW - 1), 0);
    same("claims", await Promise.all([claim(NOW), claim(NOW)]), [1, 0]);
    same("claims after the lease", await claim(NOW + 60), 1);
    const figures = await store.read("acme", async ({ jobs }) => await jobs.figures("ada"));
    same("the figures", [figures.waiting, figures.running, figures.dead], [0, 1, 0]);
    await store.write("acme", async ({ jobs }) => await jobs.fail(1, "timeout", "never"));
    same("the dead one's claims", await claim(NOW + 1_000), 0);
    same("retried", await store.write("acme", async ({ jobs }) => await jobs.retryDead("ada", NOW)), 1);
    same("claims after the retry", await claim(NOW), 1);
  },

  async "keeps vectors by model, and gives those of a block or of grants"(store) {
    const own = await insert(store, {});
    const shared = await insert(store, { level: "shared" });
    await store.write("acme", async (rows) => {
      await rows.grants.put(shared.seq, { ...EVE, createdAt: NOW });
      for (const { seq } of [own, shared]) {
        await rows.vectors.put(seq, "m", 1, new Uint8Array([1]));
        await rows.vectors.put(seq, "m", 1, ALL_BYTES);
        await rows.vectors.put(seq, "old", 1, new Uint8Array([0]));
      }
    });
    await store.read("acme", async ({ vectors }) => {
      const keys: readonly BlockKey[] = [
        { level: "private", owner: "ada" },
        { level: "shared", owner: "ada" },
        { level: "tenant", owner: undefined },
      ];
      const parts: Record<string, number[][]> = {};
      for await (const part of vectors.blocks("m", keys))
        parts[part.level] = part.vectors.map(({ seq, vector }) => [seq, ...vector]);
      same("the levels", Object.keys(parts).toSorted(), ["private", "shared"]);
      same("the private block", parts["private"], [[own.seq, ...ALL_BYTES]]);
      same("the shared block", parts["shared"], [[shared.seq, ...ALL_BYTES]]);
      for await (const { level, vectors: one } of vectors.blocks("m", keys.slice(0, 1)))
        same("the only block", [level, one.length], ["private", 1]);
      const granted = await vectors.granted("m", EVE, NOW);
      same(
        "the granted",
        granted.map(({ seq }) => seq),
        [shared.seq],
      );
    });
    await store.write("acme", async ({ vectors }) => await vectors.removeOthers("m"));
    same("the old ones", await store.read("acme", async ({ vectors }) => await vectors.count("old")), 0);
  },

  async "keeps tenants apart, and erases one for good"(store) {
    const { id } = await insert(store, {}, "one");
    await insert(store, {}, "two");
    const seen = await store.read("two", async ({ fragments }) => await fragments.ofOwner("ada", id));
    same("the other tenant's fragment", seen, undefined);
    await store.eraseTenant("one");
    same("the tenants", await store.catalog.tenants(), ["two"]);
    const again = await store.read("one", async ({ fragments }) => await fragments.count()).catch(() => "refused");
    same("the erased tenant", again, "refused");
    same("the other one", await store.read("two", async ({ fragments }) => await fragments.count()), 1);
  },

  async "keeps keys until they end or are revoked, and hints until they are dropped"({ catalog }) {
    await catalog.putKey("a", { tenant: "acme", user: "ada", scopes: ["read"], expiresAt: NOW });
    await catalog.putKey("b", { tenant: "acme", scopes: ["read", "admin"] });
    same("an ended key", await catalog.key("a", NOW), undefined);
    same("a key", (await catalog.key("a", NOW - 1))?.user, "ada");
    same("the scopes", (await catalog.key("b", NOW))?.scopes, ["read", "admin"]);
    same("revoked", [await catalog.removeKey("b"), await catalog.removeKey("b")], [true, false]);
    await catalog.noteShare("acme", EVE);
    await catalog.noteShare("acme", EVE);
    same("the hints", await catalog.sharesFor(EVE, 9), ["acme"]);
    await catalog.dropShare("acme", EVE);
    same("no hints", await catalog.sharesFor(EVE, 9), []);
    await catalog.putModel({ name: "m", dims: 16, weight: 0.5 });
    await catalog.putModel({ name: "m", dims: 16, weight: 0.25 });
    same("the card", await catalog.model("m"), { name: "m", dims: 16, weight: 0.25 });
  },

  async "refuses what the constraints exclude"(store) {
    for (const change of [{ text: "" }, { text: "x".repeat(16_385) }]) {
      const kept = await insert(store, change).catch(() => "refused");
      same(`a text of ${change.text.length} characters`, kept, "refused");
    }
  },
};
