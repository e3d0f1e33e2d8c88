import { signatureOf } from "../graph/signature.ts";
import { partnersOf, tokensOf } from "../graph/tokens.ts";

/** What can be seen in the text of a handler. Where it cannot be known, the answer is the one that finds nothing. */
export interface HandlerFacts {
  /** Whether it may send messages beside what it returns. */
  readonly mayEmit: boolean;
  /** How many messages it sends to all successors for each it is given, at least; 1 when it cannot be seen. */
  readonly sendsAtLeast: number;
  /** Whether it emits to all successors and then returns a value too, whatever comes. */
  readonly returnsAndEmits: boolean;
  /** Whether it may send to the Rookery: it names it, or hands its context on. */
  readonly mayLeave: boolean;
}

const UNKNOWN: HandlerFacts = { mayEmit: true, sendsAtLeast: 1, returnsAndEmits: false, mayLeave: true };

/** Reads the text of a handler. It sees no further than the function itself: code that is given `ctx` may do anything. */
export function factsOf(handler: (...args: never[]) => unknown): HandlerFacts {
  const source = Function.prototype.toString.call(handler);
  const tokens = tokensOf(source);
  if (source.includes("[native code]") || tokens.includes("arguments")) return UNKNOWN;
  const partners = partnersOf(tokens);
  const signature = signatureOf(tokens, partners);
  if (signature === undefined) return UNKNOWN;
  const { context, bodyAt } = signature;
  if (context.length === 0) return { mayEmit: false, sendsAtLeast: 1, returnsAndEmits: false, mayLeave: false };
  const [name = "", ...rest] = context;
  if (name === "{") {
    const mayEmit = context.some((token) => token === "..." || token === "[" || token.startsWith("emit"));
    return { mayEmit, sendsAtLeast: 1, returnsAndEmits: false, mayLeave: mayEmit };
  }
  if (rest.length > 0) return UNKNOWN;
  const body = new Body(tokens, partners, bodyAt, name);
  const { emits, returnsValue } = body.certain();
  const { asks, isHandedOn } = body.uses();
  return {
    mayEmit: isHandedOn || asks.some((member) => member.startsWith("emit")),
    sendsAtLeast: Math.max(1, emits + (returnsValue ? 1 : 0)),
    returnsAndEmits: emits > 0 && returnsValue,
    mayLeave: isHandedOn || /rookery/i.test(source),
  };
}

/** The body of a handler whose context has a name. */
class Body {
  readonly #tokens: readonly string[];
  readonly #partners: ReadonlyMap<number, number>;
  readonly #from: number;
  readonly #context: string;

  constructor(tokens: readonly string[], partners: ReadonlyMap<number, number>, from: number, context: string) {
    this.#tokens = tokens;
    this.#partners = partners;
    this.#from = from;
    this.#context = context;
  }

  /** What the context is asked for, and whether it goes to where it may be asked for anything. */
  uses(): { asks: string[]; isHandedOn: boolean } {
    const members = this.#tokens.flatMap((_, at) =>
      at >= this.#from && this.#isContext(at) ? [this.#memberAt(at)] : [],
    );
    const asks = members.filter((member) => member !== undefined);
    return { asks, isHandedOn: asks.length < members.length };
  }

  /** What happens in every run that does not throw: emits to all successors, and the return of a value behind them. */
  certain(): { emits: number; returnsValue: boolean } {
    if (this.#tokens[this.#from] !== "{") return { emits: 0, returnsValue: false };
    let emits = 0;
    let loopEnd = this.#from;
    const end = this.#partners.get(this.#from) ?? this.#tokens.length;
    for (let at = this.#from + 1; at < end; at += 1) {
      if (this.#tokens[at] === "return" && at > loopEnd && this.#beginsStatement(at, false))
        return { emits, returnsValue: this.#isValue(at + 1) };
      if (this.#isContext(at) && this.#isEmitToAll(at)) emits += 1;
      const partner = this.#partners.get(at);
      if (partner === undefined || partner < at) continue;
      if (this.#isLoopBody(at)) loopEnd = Math.max(loopEnd, partner);
      else if (!this.#isPlainBlock(at)) at = partner;
    }
    return { emits, returnsValue: false };
  }

  #isContext(at: number): boolean {
    const before = this.#tokens[at - 1];
    return this.#tokens[at] === this.#context && before !== "." && before !== "?.";
  }

  #memberAt(at: number): string | undefined {
    const dot = this.#tokens[at + 1];
    return dot === "." || dot === "?." ? this.#tokens[at + 2] : undefined;
  }

  /** `ctx.emit(one)` as a statement of its own, or what a loop without braces repeats. */
  #isEmitToAll(at: number): boolean {
    const member = this.#memberAt(at);
    if ((member !== "emit" && member !== "emitNowait") || this.#tokens[at + 3] !== "(") return false;
    const hasKeyword = this.#tokens[at - 1] === "await" || this.#tokens[at - 1] === "void";
    if (!this.#beginsStatement(hasKeyword ? at - 1 : at, true)) return false;
    const close = this.#partners.get(at + 3);
    for (let inside = at + 4; inside < (close ?? 0); inside += 1) {
      const token = this.#tokens[inside];
      if (token === "..." || (token === "," && inside + 1 !== close)) return false;
      inside = Math.max(inside, this.#partners.get(inside) ?? inside);
    }
    return close !== undefined;
  }

  #beginsStatement(at: number, mayRepeat: boolean): boolean {
    const before = this.#tokens[at - 1];
    if (before === ";" || before === "{" || before === "}") return true;
    return mayRepeat && before === ")" && this.#isLoop(this.#partners.get(at - 1));
  }

  #isLoopBody(at: number): boolean {
    if (this.#tokens[at] !== "{") return false;
    const before = this.#tokens[at - 1];
    return before === "do" || (before === ")" && this.#isLoop(this.#partners.get(at - 1)));
  }

  /** Whether what the bracket holds runs whenever the code around it does. */
  #isPlainBlock(at: number): boolean {
    const before = this.#tokens[at - 1] ?? "";
    return this.#tokens[at] === "{" && ["try", "finally", ";"].includes(before);
  }

  #isLoop(open: number | undefined): boolean {
    if (open === undefined) return false;
    const word = this.#tokens[open - 1];
    return word === "for" || word === "while" || (word === "await" && this.#tokens[open - 2] === "for");
  }

  #isValue(at: number): boolean {
    const first = this.#tokens[at] ?? "}";
    if ([";", "}", "undefined", "void"].includes(first)) return false;
    const called = first === "await" ? at + 1 : at;
    return !(this.#isContext(called) && this.#memberAt(called)?.startsWith("emit") === true);
  }
}
