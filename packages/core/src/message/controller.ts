import { FREEZES } from "../foundation/freeze.ts";
import { shown } from "../foundation/options.ts";
import { VOUCHED } from "./vouched.ts";

/** Fields from which a {@link WM} is made. */
export interface WMInit<Fact> {
  readonly query: string;
  /** @defaultValue none */
  readonly facts?: readonly Fact[];
  /** @defaultValue 0 */
  readonly hops?: number;
  /** Maximum number of controller runs; `null` for no limit. @defaultValue 8 */
  readonly budgetHops?: number | null;
  /** @defaultValue 0 */
  readonly tokensUsed?: number;
  /** Maximum number of tokens the loop may use; `null` for no limit. @defaultValue null */
  readonly budgetTokens?: number | null;
  /** From 0 to 1. @defaultValue 0 */
  readonly confidence?: number;
}

/**
 * Working memory of a controller loop. A controller (a node with an edge to itself) that returns a `WM` runs again with
 * it. The runtime counts the hops and ends the loop when a budget is exhausted. Immutable: `wm.with({ facts })` returns
 * a changed copy.
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
   * @param vouched - internal: the runtime's assertion that the fields are already checked and frozen
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

  /** Returns a copy with some fields replaced. */
  with<Next = Fact>(change: Partial<WMInit<Fact | Next>>): WM<Fact | Next> {
    const { query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence } = this;
    return new WM<Fact | Next>({ query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence, ...change });
  }
}

/** The fields of a working memory. */
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

/** A step that a planner proposes. */
export interface PlanStep<Kind extends string = string> {
  /** The tool or action to run. */
  readonly kind: Kind;
  readonly args?: Readonly<Record<string, unknown>>;
  /** Maximum number of steps of the plan that may run in parallel with this one. */
  readonly maxConcurrency?: number;
}

/** A planner's decision about the working memory: the next steps, the reason, and whether the work is done. */
export interface Thought<Kind extends string = string> {
  readonly steps: readonly PlanStep<Kind>[];
  readonly rationale: string;
  readonly done: boolean;
}

/** Fields from which a {@link FinalAnswer} is made. */
export interface FinalAnswerInit<Citation> {
  readonly text: string;
  /** @defaultValue none */
  readonly citations?: readonly Citation[];
}

/** The end of a controller loop: returned by the controller, or created by the runtime when a budget is exhausted. */
export class FinalAnswer<out Citation = string> {
  readonly text: string;
  readonly citations: readonly Citation[];

  constructor(init: FinalAnswerInit<Citation>) {
    this.text = init.text;
    this.citations = frozen(init.citations);
    Object.freeze(this);
  }
}

/** Returns a frozen copy, or the array itself if it is frozen. */
function frozen<Item>(items: readonly Item[] = []): readonly Item[] {
  return Object.isFrozen(items) ? items : Object.freeze([...items]);
}

function requireCount(name: string, value: number): void {
  if (typeof value === "number" && value >= 0 && !Number.isNaN(value)) return;
  throw new RangeError(`Option "${name}" of WM must be 0 or more: got ${shown(value)}`);
}
