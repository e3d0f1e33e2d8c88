// The questions to which an answer of the service is held beside the states of the oracle.
import { isDeepStrictEqual } from "node:util";
import type { Answer, Someone } from "./action.ts";
import type { Finding } from "./door.ts";
import type { Oracle } from "./oracle.ts";
import type { Read } from "./plan.ts";

/** A read during a batch. */
export interface MadeRead {
  readonly kind: Read["kind"];
  readonly by: Someone;
  readonly word: string;
  readonly id: string;
  /** Requests that were answered before it began. */
  readonly before: ReadonlySet<number>;
  /** Requests that were answered before it was, as far as the door tells: what they hid must not be in it. */
  readonly meanwhile: ReadonlySet<number>;
  readonly result: readonly string[] | string | Finding;
}

/** Returns the ids that a user who reads a fragment is shown: its own, and those of neighbours to its owner. */
export function shown(state: Oracle, by: Someone, id: string): string[] | string {
  const fragment = state.fragments.find((one) => one.id === id);
  if (fragment === undefined || fragment.owner.tenant !== by.tenant || !state.sees(by, fragment)) return "NOT_FOUND";
  const neighbours = fragment.owner.user === by.user ? state.neighbours(fragment) : [];
  return [id, ...neighbours.map((one) => one.id)];
}

/** Whether all that a read mentions was visible at one instant (M2, M5). */
export function isSound({ by, result }: MadeRead, tenants: readonly string[], states: readonly Oracle[]): boolean {
  if (typeof result === "string") return true;
  const finding = "ids" in result ? result : { ids: result, mentioned: [], tenants: [] };
  const told = [...finding.ids, ...finding.mentioned];
  return states.some((state) => {
    const visible = new Set(tenants.flatMap((tenant) => state.visible(by, tenant)));
    return (
      told.every((id) => visible.has(id)) &&
      finding.tenants.every((tenant) => tenant === by.tenant || state.visible(by, tenant).length > 0)
    );
  });
}

/** Whether an answer is the wanted one, in what its door tells. */
export function isAnswered(given: Answer, wanted: Answer): boolean {
  if (given.code !== wanted.code) return false;
  if (given.strength !== undefined && Math.abs(given.strength - (wanted.strength ?? 0)) > 1e-4) return false;
  const told = ["id", "created", "same", "changed", "erased"] as const;
  return told.every((name) => given[name] === undefined || isDeepStrictEqual(given[name], wanted[name]));
}

/** Returns all orders of places. */
export function ordersOf(places: readonly number[]): number[][] {
  if (places.length === 0) return [[]];
  return places.flatMap((place) => ordersOf(places.filter((one) => one !== place)).map((rest) => [place, ...rest]));
}

/** Returns ids in one order. */
export const sorted = (ids: readonly string[]): string[] => [...ids].sort();
