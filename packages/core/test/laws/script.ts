import { seededRandom } from "penguiflow";
import type { NodeSpec, Shape } from "./run-spec.ts";

/** The payload of every message: its origin, and the fuel for further messages. */
export interface Parcel {
  readonly id: string;
  readonly fuel: number;
}

/** A message that a handler sends. */
export interface Output {
  readonly parcel: Parcel;
  /** Whether it goes round its own loop once more. */
  readonly again: boolean;
  /** Targets; `undefined` for all successors, empty for the Rookery. */
  readonly to: readonly number[] | undefined;
}

/** One action of a handler before it returns. */
export type Act =
  | { readonly act: "tick" }
  | { readonly act: "sleep" | "ignore signal"; readonly ms: number }
  | { readonly act: "chunk"; readonly text: string }
  | { readonly act: "fetch" }
  | { readonly act: "emit"; readonly output: Output; readonly waits: boolean };

/** All actions of a handler for one message. */
export interface Deed {
  readonly acts: readonly Act[];
  /** Number, kind and position of failing attempts. */
  readonly failures: number;
  readonly failsBy: "throw" | "stall";
  readonly failsAt: number;
  readonly returns: Output | undefined;
  /** The value that replaces a failure at a node that falls back; nothing where it could go back in a cycle. */
  readonly fallback: Output | undefined;
}

/** Whether a node's failures become values. It needs no draw of its own, so that seeds keep their graphs. */
export function fallsBack(shape: Shape, place: number): boolean {
  const { kind } = shape.nodes[place] as NodeSpec;
  return kind !== "router" && kind !== "join" && hashOf(`${shape.seed}|${place}|falls back`) % 3 === 0;
}

/** Whether a node's policy depends on the message. */
export function looks(shape: Shape, place: number): boolean {
  const { kind } = shape.nodes[place] as NodeSpec;
  return kind !== "router" && kind !== "join" && hashOf(`${shape.seed}|${place}|looks`) % 3 === 0;
}

export const BUDGET_HOPS = 4;
/** Milliseconds that exceed any timeout of a node. */
export const STALL_MS = 71;

/**
 * Determines the actions of a node's handler for a message. They depend only on the graph, its seed and the message, so
 * that the behaviour of a trace can be predicted under any schedule.
 */
export function deedOf(shape: Shape, place: number, parcel: Parcel, hops: number): Deed {
  const node = shape.nodes[place] as NodeSpec;
  const random = seededRandom(hashOf(`${shape.seed}|${place}|${parcel.id}|${hops}`));
  const isLikely = (percent: number): boolean => random() * 100 < percent;
  const oneOf = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const onward = shape.onward[place] as readonly number[];

  const plans: { again: boolean; to: readonly number[] | undefined; waits: boolean }[] = [];
  const mayMultiply = parcel.fuel > 0 && node.kind !== "bare" && node.kind !== "router";
  if (mayMultiply && isLikely(node.emitting)) {
    for (let left = Math.ceil(random() * 2); left > 0; left -= 1) {
      plans.push({
        again: node.kind === "loop" && isLikely(30),
        to: isLikely(10) ? [] : isLikely(50) && onward.length > 0 ? [oneOf(onward)] : undefined,
        waits: isLikely(70),
      });
    }
  }
  let returned: { again: boolean; to: readonly number[] | undefined } | undefined;
  if (node.kind === "router") {
    // a router spends no fuel, so in a cycle it must not multiply
    const chosen = onward.filter((target) => isLikely(60) && target > place);
    const to = parcel.fuel > 0 && !shape.hasCycles ? chosen : chosen.slice(0, 1);
    if (to.length > 0) plans.push({ again: false, to, waits: true });
  } else if (isLikely(node.silent)) {
    returned = undefined;
  } else if (parcel.fuel > 0 || onward.length === 0 || (onward.length === 1 && (onward[0] as number) > place)) {
    returned = { again: node.kind === "loop" && isLikely(60), to: undefined };
  } else {
    // without fuel, the message goes on towards the end, and to one node alone
    const ahead = onward.find((target) => target > place);
    if (ahead !== undefined && node.kind !== "bare") plans.push({ again: false, to: [ahead], waits: true });
  }

  const receivers = [...plans, ...(returned === undefined ? [] : [returned])]
    .map(({ again, to }) => (again ? 1 : (to ?? onward).length))
    .reduce((sum, reached) => sum + Math.max(reached, 1), 0);
  const fuel = Math.max(0, Math.floor((parcel.fuel - 1) / Math.max(1, receivers)));
  // a router forwards its input
  const child = (output: number): Parcel =>
    node.kind === "router" ? parcel : { id: `${parcel.id}/${place}.${hops}.${output}`, fuel };

  const acts: Act[] = [];
  if (node.kind === "fetcher" && isLikely(70)) acts.push({ act: "fetch" });
  for (const [index, { again, to, waits }] of plans.entries())
    acts.push({ act: "emit", output: { parcel: child(index), again, to }, waits });
  const insert = (act: Act): void => void acts.splice(Math.floor(random() * (acts.length + 1)), 0, act);
  if (isLikely(50)) insert({ act: "tick" });
  // odd, so that a sleep never ends at the very instant of a timeout
  if (isLikely(node.slow)) insert({ act: isLikely(25) ? "ignore signal" : "sleep", ms: oneOf([1, 3, 7, 29]) });
  if (node.kind !== "bare" && isLikely(20))
    for (let chunk = 0; chunk < 3; chunk += 1) insert({ act: "chunk", text: `${chunk}` });
  const isFailing = isLikely(node.failing);
  const failures = Math.ceil(random() * (node.maxRetries + 1));
  return {
    acts,
    // a bare handler cannot distinguish attempts
    failures: !isFailing ? 0 : node.kind === "bare" ? Number.POSITIVE_INFINITY : failures,
    failsBy: node.timeoutMs !== undefined && isLikely(50) ? "stall" : "throw",
    failsAt: Math.floor(random() * (acts.length + 1)),
    returns: returned === undefined ? undefined : { parcel: child(plans.length), ...returned },
    fallback: onward.every((target) => target > place)
      ? { parcel: { id: `${parcel.id}/${place}.${hops}.${plans.length + 1}`, fuel: 0 }, again: false, to: undefined }
      : undefined,
  };
}

/** The expected behaviour of a trace that ran to its end. */
export interface Expectation {
  /** Number of times each message was handled, by {@link keyOf}. */
  readonly handled: ReadonlyMap<string, number>;
  /** Number of times each result arrived, by the parcel's id. */
  readonly results: ReadonlyMap<string, number>;
  /** The possible early ends of the trace. */
  readonly endings: ReadonlySet<"failed" | "exhausted">;
  /** Whether an attempt may exceed its node's timeout because it has to wait for others. */
  readonly mayStretch: boolean;
  /** Whether such an attempt may be replaced by a fallback, so that its outputs cannot be predicted. */
  readonly mayFallBack: boolean;
  /** Messages whose handlers may return late, any number of times. */
  readonly late: ReadonlySet<string>;
}

/** Returns the key of a message at a node. */
export function keyOf(place: number, id: string, hops: number): string {
  return `${place}|${id}|${hops}`;
}

/** Predicts the fate of first messages, without a runtime. */
export function expectationOf(
  shape: Shape,
  first: readonly { readonly place: number; readonly parcel: Parcel }[],
): Expectation {
  const handled = new Map<string, number>();
  const results = new Map<string, number>();
  const endings = new Set<"failed" | "exhausted">();
  const late = new Set<string>();
  let mayStretch = false;
  let mayFallBack = false;
  const work = first.map((message) => ({ ...message, hops: 0 }));
  for (const { place, parcel, hops } of work) {
    if (work.length > 20_000) throw new Error("The script makes too many messages");
    const node = shape.nodes[place] as NodeSpec;
    const onward = shape.onward[place] as readonly number[];
    const deed = deedOf(shape, place, parcel, hops);
    count(handled, keyOf(place, parcel.id, hops));
    const isStretchable =
      node.timeoutMs !== undefined &&
      (node.kind === "playbook" ||
        node.kind === "remote" ||
        deed.acts.some(({ act }) => act === "emit" || act === "chunk"));
    mayStretch ||= isStretchable;
    const isFallback = fallsBack(shape, place);
    mayFallBack ||= isStretchable && isFallback;
    const isTooLong = node.timeoutMs !== undefined && durationOf(deed) > node.timeoutMs;
    if (isFallback && (deed.failures > node.maxRetries || isTooLong)) {
      // a handler that cannot see its abort returns late, after each attempt: its returns cannot be predicted
      const stallsOn = node.kind === "bare" && deed.failsBy === "stall";
      if (isTooLong || stallsOn) late.add(keyOf(place, parcel.id, hops));
      const early = node.maxRetries === 0 ? deed.acts.slice(0, deed.failsAt) : [];
      follow(early.flatMap((act) => (act.act === "emit" ? [act.output] : [])));
      follow(deed.fallback === undefined ? [] : [deed.fallback]);
      continue;
    }
    if (deed.failures > node.maxRetries) {
      endings.add("failed");
      // messages emitted before the failure are in flight, unless they were held back
      const early = node.maxRetries === 0 ? deed.acts.slice(0, deed.failsAt) : [];
      follow(early.flatMap((act) => (act.act === "emit" ? [act.output] : [])));
      continue;
    }
    if (isTooLong) endings.add("failed");
    const emitted = deed.acts.flatMap((act) => (act.act === "emit" ? [act.output] : []));
    follow([...emitted, ...(deed.returns === undefined ? [] : [deed.returns])]);

    function follow(outputs: readonly Output[]): void {
      for (const { parcel: sent, again, to } of outputs) {
        const targets = to ?? onward;
        if (goesRound({ again, to })) {
          if (hops + 1 >= BUDGET_HOPS) endings.add("exhausted");
          else work.push({ place, parcel: sent, hops: hops + 1 });
        } else if (targets.length === 0) {
          count(results, sent.id);
        } else {
          for (const target of targets) work.push({ place: target, parcel: sent, hops: 0 });
        }
      }
    }
  }
  return { handled, results, endings, mayStretch, mayFallBack, late };
}

/** Whether an output returns to its own node. */
export function goesRound({ again, to }: Pick<Output, "again" | "to">): boolean {
  return again && to === undefined;
}

/** Returns the milliseconds that a handler takes when it never waits for others. */
function durationOf(deed: Deed): number {
  return deed.acts.reduce((sum, act) => sum + ("ms" in act ? act.ms : 0), 0);
}

/** Increases the count of a key. */
export function count(counts: Map<string, number>, key: string, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times);
}

/** Computes the FNV-1a hash of a text (Fowler, Noll, Vo). */
export function hashOf(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  return state >>> 0;
}
