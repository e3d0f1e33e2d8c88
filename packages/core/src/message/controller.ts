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

  constructor(init: WMInit<Fact>) {
    this.query = init.query;
    this.facts = frozen(init.facts);
    this.hops = init.hops ?? 0;
    this.budgetHops = init.budgetHops === undefined ? 8 : init.budgetHops;
    this.tokensUsed = init.tokensUsed ?? 0;
    this.budgetTokens = init.budgetTokens ?? null;
    this.confidence = init.confidence ?? 0;
    requireCount("hops", this.hops);
    requireCount("tokensUsed", this.tokensUsed);
    if (this.budgetHops !== null) requireCount("budgetHops", this.budgetHops);
    if (this.budgetTokens !== null) requireCount("budgetTokens", this.budgetTokens);
    Object.freeze(this);
  }

  /** The working memory with some parts replaced. */
  with<Next = Fact>(change: Partial<WMInit<Fact | Next>>): WM<Fact | Next> {
    const { query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence } = this;
    return new WM<Fact | Next>({ query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence, ...change });
  }
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
  throw new RangeError(`Option "${name}" of WM must be 0 or more: got ${JSON.stringify(value)}`);
}
