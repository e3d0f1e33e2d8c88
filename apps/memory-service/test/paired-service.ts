// The service beside the oracle of sight, and operations for both.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Memory, MemoryHandle, NewFragment } from "@penguiflow/memory-service";
import { type KnownFragment, SightOracle, type Someone } from "./sight-oracle.ts";
import { codeOf } from "./own-memory.ts";

const TENANTS = ["red", "blue", "green"];
const USERS = ["ada", "bob", "eve"];
/** Three users of each of three tenants. */
export const EVERYONE: readonly Someone[] = TENANTS.flatMap((tenant) => USERS.map((user) => ({ tenant, user })));

/** Users who do most, so that their fragments are neighbours and their grants meet. */
export const BUSY = EVERYONE.filter(({ tenant, user }) => tenant !== "green" && user !== "eve").slice(0, 3);
/** A user; the busy ones more often. */
export const someone = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...BUSY) },
  { weight: 1, arbitrary: fc.constantFrom(...EVERYONE) },
);
const place = fc.nat(30);
const level = fc.constantFrom("private" as const, "tenant" as const, "shared" as const);

/** An operation of any user on any fragment. */
export const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("ingest" as const),
      by: someone,
      level,
      conversation: fc.constantFrom("a", "b", undefined),
    }),
  },
  fc.record({ kind: fc.constant("level" as const), by: someone, at: place, level }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("share" as const), by: someone, at: place, to: someone }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("unshare" as const), by: someone, at: place, to: someone }) },
  fc.record({ kind: fc.constant("erase" as const), by: someone, at: place }),
  fc.record({ kind: fc.constant("supersede" as const), by: someone, at: place, newer: place }),
  fc.record({ kind: fc.constant("repeat" as const), at: place }),
);

export type Operation = typeof operation extends fc.Arbitrary<infer One> ? One : never;

/** The service beside the oracle. An operation is by the owner of its fragment half of the time, so that many succeed. */
export class Pair {
  readonly oracle = new SightOracle();
  readonly #memory: Memory;
  #count = 0;
  #last = "none";
  /** Requests by key, to be repeated. */
  readonly #requests: {
    readonly by: Someone;
    readonly given: NewFragment;
    readonly key: string;
    readonly id: string;
  }[] = [];

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  as(by: Someone): MemoryHandle {
    return this.#memory.as(by);
  }

  /** Returns words that the last operation may have made findable, or kept from being so. */
  get touched(): string[] {
    const known = [...this.oracle.fragments.values()];
    const at = known.findIndex(({ word }) => word === this.#last);
    const line = known.filter(({ conversation }) => conversation === known[at]?.conversation);
    const here = line.findIndex(({ word }) => word === this.#last);
    return [this.#last, ...line.slice(Math.max(0, here - 1), here + 2).map(({ word }) => word)];
  }

  /** Applies an operation to both; they must agree on whether it succeeds. */
  async apply(one: Operation): Promise<void> {
    if (one.kind === "ingest") return await this.#ingest(one);
    if (one.kind === "repeat") return await this.#repeat(one.at);
    // the newest come first, so that operations meet at the same fragments
    const known = [...this.oracle.fragments.values()].reverse();
    const fragment = known[one.at % Math.min(Math.max(known.length, 1), 4)];
    if (fragment === undefined) return;
    this.#last = fragment.word;
    const by = one.at % 4 === 0 ? one.by : fragment.owner;
    const isOwner = by.tenant === fragment.owner.tenant && by.user === fragment.owner.user;
    const memory = this.as(by);
    switch (one.kind) {
      case "level":
        await this.#agree(memory.setPrivacy(fragment.id, one.level), isOwner, () => {
          if (fragment.level !== one.level) fragment.grants.clear();
          fragment.level = one.level;
        });
        return;
      case "share": {
        const code = await codeOf(memory.share(fragment.id, one.to));
        const wanted = isOwner ? (this.oracle.grant(fragment, one.to) ? "no error" : "LEVEL_CONFLICT") : "NOT_FOUND";
        assert.equal(code, wanted);
        return;
      }
      case "unshare":
        await this.#agree(memory.unshare(fragment.id, one.to), isOwner, () => this.oracle.revoke(fragment, one.to));
        return;
      case "erase":
        await this.#agree(memory.erase(fragment.id), isOwner, () => this.oracle.erase(fragment.id));
        return;
      case "supersede":
        await this.#supersede(fragment, known[one.newer % known.length] ?? fragment, by, isOwner);
        return;
    }
  }

  /** Compares what a user is shown, and what it finds by a word, with the oracle. */
  async compare(by: Someone, word: string): Promise<void> {
    const memory = this.as(by);
    const listed = (await memory.list({ limit: 100 })).items.map(({ id }) => id).sort();
    assert.deepEqual(listed, this.oracle.visible(by));
    const { items } = await memory.retrieve({ query: word, limit: 50, maxTokens: 100_000 });
    assert.deepEqual(items.map(({ id }) => id).sort(), this.oracle.found(by, word));
    const federated = await memory.federatedQuery({ query: word, limit: 50, maxTokens: 100_000 });
    const all = TENANTS.flatMap((tenant) => this.#foreign(by, word, tenant));
    assert.deepEqual(federated.items.map(({ id }) => id).sort(), all.sort());
    for (const fragment of this.oracle.fragments.values()) {
      const isSeen = fragment.owner.tenant === by.tenant && this.oracle.sees(by, fragment);
      assert.equal(await codeOf(memory.get(fragment.id)), isSeen ? "no error" : "NOT_FOUND");
    }
  }

  #foreign(by: Someone, word: string, tenant: string): string[] {
    if (tenant === by.tenant) return this.oracle.found(by, word);
    // the neighbours' words count for an owner: its whole group has the same grants
    const seen = [...this.oracle.fragments.values()].filter(
      (one) => one.owner.tenant === tenant && this.oracle.sees(by, one),
    );
    return seen.filter((one) => this.oracle.found(one.owner, word).includes(one.id)).map(({ id }) => id);
  }

  async #ingest({ by, level: wanted, conversation }: Extract<Operation, { kind: "ingest" }>): Promise<void> {
    const word = `w${this.#count++}x`;
    this.#last = word;
    const given = { text: `The word is ${word}.`, level: wanted, conversation };
    const request = { by, given, key: `key-${word}` };
    const { id } = await this.as(by).ingest(given, { idempotencyKey: request.key });
    this.oracle.fragments.set(id, {
      id,
      owner: by,
      word,
      conversation,
      level: wanted,
      grants: new Set(),
      supersededBy: undefined,
    });
    this.#requests.push({ ...request, id });
  }

  /** Repeats a request: it keeps nothing, and another text under its key is refused. */
  async #repeat(at: number): Promise<void> {
    const request = this.#requests[at % Math.max(this.#requests.length, 1)];
    const fragment = request === undefined ? undefined : this.oracle.fragments.get(request.id);
    if (request === undefined || fragment === undefined) return;
    const memory = this.as(request.by);
    const again = await memory.ingest(request.given, { idempotencyKey: request.key });
    assert.deepEqual([again.id, again.created], [request.id, false]);
    assert.equal(await codeOf(memory.ingest({ text: "another" }, { idempotencyKey: request.key })), "KEY_REUSED");
  }

  async #supersede(older: KnownFragment, newer: KnownFragment, by: Someone, isOwner: boolean): Promise<void> {
    const ownsBoth = isOwner && newer.owner.tenant === by.tenant && newer.owner.user === by.user;
    const order = [...this.oracle.fragments.keys()];
    const isNewer = order.indexOf(newer.id) > order.indexOf(older.id);
    const code = await codeOf(this.as(by).supersede(older.id, newer.id));
    assert.equal(code, ownsBoth ? (isNewer ? "no error" : "INVALID") : "NOT_FOUND");
    if (code === "no error") older.supersededBy = newer.id;
  }

  async #agree(work: Promise<unknown>, succeeds: boolean, change: () => void): Promise<void> {
    assert.equal(await codeOf(work), succeeds ? "no error" : "NOT_FOUND");
    if (succeeds) change();
  }
}
