import { sightGroup } from "../keeping/sight-group.ts";
import { sharedWords, wordsOf } from "../text/words.ts";
import { similarity } from "../vector/quantize.ts";
import type { Alike, Candidate } from "./candidate.ts";

const LAMBDA = 0.65;
const CONSIDERED = 30;

interface Choice<Item> {
  readonly item: Item;
  readonly relevance: number;
  readonly group: string;
  /** Made when texts without vectors are compared. */
  words: ReadonlySet<string> | undefined;
  closest: number;
  /** The item before it that is closest. */
  closestTo: Item | undefined;
}

/** An item at its place, and the one before it that it is most like. */
export interface Diverse<Item> {
  readonly item: Item;
  readonly alike: Alike | undefined;
}

/**
 * Orders the best 30 so that each is relevant and unlike those before it (maximal marginal relevance, λ = 0.65); the
 * others follow. Only fragments of one sight group are compared (law M6).
 */
export function diversify<Item extends Candidate & { readonly score: number }>(
  items: readonly Item[],
): Diverse<Item>[] {
  const highest = Math.max(...items.map(({ score }) => score));
  let open: Choice<Item>[] = items.slice(0, CONSIDERED).map((item) => ({
    item,
    relevance: highest > 0 ? item.score / highest : 0,
    group: sightGroup(item.fragment),
    words: undefined,
    closest: 0,
    closestTo: undefined,
  }));
  const chosen: Diverse<Item>[] = [];
  while (open.length > 0) {
    const marginal = ({ relevance, closest }: Choice<Item>): number => LAMBDA * relevance - (1 - LAMBDA) * closest;
    const next = open.reduce((best, choice) => (marginal(choice) > marginal(best) ? choice : best));
    chosen.push(diverse(next));
    open = open.filter((choice) => choice !== next);
    for (const choice of open) {
      if (choice.group !== next.group) continue;
      const like = likeness(choice, next);
      if (like <= choice.closest) continue;
      choice.closest = like;
      choice.closestTo = next.item;
    }
  }
  return [...chosen, ...items.slice(CONSIDERED).map((item) => ({ item, alike: undefined }))];
}

function diverse<Item extends Candidate>({ item, closest, closestTo }: Choice<Item>): Diverse<Item> {
  const alike = closestTo === undefined ? undefined : { id: closestTo.fragment.id, likeness: closest };
  return { item, alike };
}

function likeness<Item extends Candidate>(one: Choice<Item>, other: Choice<Item>): number {
  const [a, b] = [one.item.vector, other.item.vector];
  if (a !== undefined && b !== undefined) return Math.max(0, similarity(a, b));
  return sharedWords(wordSet(one), wordSet(other));
}

function wordSet<Item extends Candidate>(choice: Choice<Item>): ReadonlySet<string> {
  return (choice.words ??= new Set(wordsOf(choice.item.fragment.text)));
}
