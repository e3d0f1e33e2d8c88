import { FREEZES } from "../foundation/freeze.ts";
import { shown } from "../foundation/options.ts";
import { VOUCHED } from "./vouched.ts";

/** What {@link WM} is made from. */
export interface WMInit<Fact> {
  readonly query: string;
  /** @defaultValue none */
  readonly facts?: readonly Fact[];
  /** @defaultValue 0 */
  readonly hops?: number;
  /** How often the controller may run; `null` for no limit. @defaultValue 8 */
  readonly budgetHops?: number | null;
  /** @defaultValue 0 */
  readonly tokensUsed?: number;
  /** How many tokens the loop may use; `null` for no limit. @defaultValue null */
  readonly budgetTokens?: number | null;
  /** From 0 to 1. @defaultValue 0 */
  readonly confidence?: number;
}

/**
 * Working memory of a controller loop. A controller (a node with an edge to itself) that returns one
 * runs again with it; the runtime counts the hops and ends the loop when a budget is used up.
 * Immutable: `wm.with({ facts })` makes the next one.
 */
export class WM<out Fact = unknown> {
  readonly query: string;
  readonly facts: readonly Fact[];
  readonly hops: number;
  readonly budgetHops: number | null;
  readonly tokensUsed: number;
  readonly budgetTokens: number | null;
  readonly confidence: number;

  /**
   * @param vouched - internal: the runtime's word that the parts were checked and frozen before
   * @throws RangeError when a number is below 0
   */
  constructor(init: WMInit<Fact>, vouched?: typeof VOUCHED) {
    const parts = vouched === VOUCHED ? (init as MemoryParts<Fact>) : checkedMemory(init);
    this.query = parts.query;
    this.facts = parts.facts;
    this.hops = parts.hops;
    this.budgetHops = parts.budgetHops;
    this.tokensUsed = parts.tokensUsed;
    this.budgetTokens = parts.budgetTokens;
    this.confidence = parts.confidence;
    if (FREEZES) Object.freeze(this);
  }

  /** The working memory with some parts replaced. */
  with<Next = Fact>(change: Partial<WMInit<Fact | Next>>): WM<Fact | Next> {
    const { query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence } = this;
    return new WM<Fact | Next>({ query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence, ...change });
  }
}

/** What a working memory consists of. */
type MemoryParts<Fact> = Omit<WM<Fact>, "with">;

function checkedMemory<Fact>(init: WMInit<Fact>): MemoryParts<Fact> {
  const parts = {
    query: init.query,
    facts: frozen(init.facts),
    hops: init.hops ?? 0,
    budgetHops: init.budgetHops === undefined ? 8 : init.budgetHops,
    tokensUsed: init.tokensUsed ?? 0,
    budgetTokens: init.budgetTokens ?? null,
    confidence: init.confidence ?? 0,
  };
  requireCount("hops", parts.hops);
  requireCount("tokensUsed", parts.tokensUsed);
  if (parts.budgetHops !== null) requireCount("budgetHops", parts.budgetHops);
  if (parts.budgetTokens !== null) requireCount("budgetTokens", parts.budgetTokens);
  return parts;
}

/** One step that a planner wants to take. */
export interface PlanStep<Kind extends string = string> {
  /** Which tool or action. */
  readonly kind: Kind;
  readonly args?: Readonly<Record<string, unknown>>;
  /** How many steps of the plan may run side by side with this one. */
  readonly maxConcurrency?: number;
}

/** What a planner makes of the working memory: the next steps, why, and whether it is done. */
export interface Thought<Kind extends string = string> {
  readonly steps: readonly PlanStep<Kind>[];
  readonly rationale: string;
  readonly done: boolean;
}

/** What {@link FinalAnswer} is made from. */
export interface FinalAnswerInit<Citation> {
  readonly text: string;
  /** @defaultValue none */
  readonly citations?: readonly Citation[];
}

/** The end of a controller loop: returned by the controller, or made by the runtime when a budget is used up. */
export class FinalAnswer<out Citation = string> {
  readonly text: string;
  readonly citations: readonly Citation[];

  constructor(init: FinalAnswerInit<Citation>) {
    this.text = init.text;
    this.citations = frozen(init.citations);
    Object.freeze(this);
  }
}

/** A frozen copy, or the array itself if it is frozen. */
function frozen<Item>(items: readonly Item[] = []): readonly Item[] {
  return Object.isFrozen(items) ? items : Object.freeze([...items]);
}

function requireCount(name: string, value: number): void {
  if (typeof value === "number" && value >= 0 && !Number.isNaN(value)) return;
  throw new RangeError(`Option "${name}" of WM must be 0 or more: got ${shown(value)}`);
}
