import * as fc from "fast-check";
import type { Level, Someone } from "./action.ts";

const TENANTS = ["red", "blue", "green"];
const USERS = ["ada", "bob", "eve"];
/** Three users of each of three tenants. */
const EVERYONE: readonly Someone[] = TENANTS.flatMap((tenant) => USERS.map((user) => ({ tenant, user })));

/** Users who do most, so that their fragments are neighbours and their grants meet. */
const BUSY = EVERYONE.filter(({ tenant, user }) => tenant !== "green" && user !== "eve").slice(0, 3);
const someone = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...BUSY) },
  { weight: 1, arbitrary: fc.constantFrom(...EVERYONE) },
);
const place = fc.nat(30);
const level = fc.constantFrom<Level>("private", "tenant", "shared");
const steps = (...kinds: readonly [string, number][]) =>
  kinds.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }));

/** A request of any user about any fragment, to be filled in when it is made. */
const step = fc.record({
  kind: fc.oneof(
    ...steps(["ingest", 8], ["again", 2], ["other", 1], ["level", 2], ["share", 6], ["unshare", 4], ["erase", 2]),
    ...steps(["eraseUser", 1], ["supersede", 2], ["reinforce", 1]),
  ),
  by: someone,
  to: someone,
  level,
  conversation: fc.constantFrom("a", "b", undefined),
  /** Picks a fragment; also decides about rare variants. */
  at: place,
  newer: place,
});

const read = fc.record({
  kind: fc.constantFrom("list" as const, "find" as const, "findEverywhere" as const, "get" as const),
  by: someone,
  at: place,
  /** Whether it begins with the requests, or after the first, second or third of them is answered. */
  after: fc.constantFrom(undefined, 0, 1, 2),
});

/** Requests that are made at once, reads among them, and two users who look at everything afterwards. */
export const batch = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
  reads: fc.array(read, { maxLength: 3 }),
  watchers: fc.tuple(fc.constantFrom(...BUSY), fc.constantFrom(...EVERYONE)),
  at: place,
  /** Whether time goes on first, so that grants end. */
  isLater: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
});

/** A history to be played. */
export const plan = fc.array(batch, { minLength: 6, maxLength: 24, size: "max" });

export type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;
export type Read = typeof read extends fc.Arbitrary<infer One> ? One : never;
export type Batch = typeof batch extends fc.Arbitrary<infer One> ? One : never;
