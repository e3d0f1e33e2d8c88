import { signatureOf } from "../graph/signature.ts";
import { partnersOf, tokensOf } from "../graph/tokens.ts";

/**
 * Facts derived from the text of a handler. Where a fact cannot be derived, its value is the one that reports nothing.
 */
export interface HandlerFacts {
  /** Whether it may send messages besides its return value. */
  readonly mayEmit: boolean;
  /** Minimum number of messages it sends to all successors per input; 1 when it cannot be derived. */
  readonly sendsAtLeast: number;
  /** Whether it always emits to all successors and then also returns a value. */
  readonly returnsAndEmits: boolean;
  /** Whether it may choose among its successors: it names them, or passes its context on. */
  readonly mayChoose: boolean;
  /** Whether it may send to the Rookery: it names it, or passes its context on. */
  readonly mayLeave: boolean;
}

const UNKNOWN: HandlerFacts = {
  mayEmit: true,
  sendsAtLeast: 1,
  returnsAndEmits: false,
  mayChoose: true,
  mayLeave: true,
};

/**
 * Derives facts from the text of a handler. It sees no further than the function itself: code that receives `ctx` may
 * do anything.
 */
export function factsOf(handler: (...args: never[]) => unknown): HandlerFacts {
  const source = Function.prototype.toString.call(handler);
  const tokens = tokensOf(source);
  if (source.includes("[native code]") || tokens.includes("arguments")) return UNKNOWN;
  const partners = partnersOf(tokens);
  const signature = signatureOf(tokens, partners);
  if (signature === undefined) return UNKNOWN;
  const { context, bodyAt } = signature;
  if (context.length === 0)
    return { mayEmit: false, sendsAtLeast: 1, returnsAndEmits: false, mayChoose: false, mayLeave: false };
  const [name = "", ...rest] = context;
  if (name === "{") {
    const mayEmit = context.some((token) => token === "..." || token === "[" || token.startsWith("emit"));
    return { mayEmit, sendsAtLeast: 1, returnsAndEmits: false, mayChoose: mayEmit, mayLeave: mayEmit };
  }
  if (rest.length > 0) return UNKNOWN;
  const body = new Body(tokens, partners, bodyAt, name);
  const { emits, returnsValue } = body.certain();
  const { asks, isHandedOn, isChosen } = body.uses();
  return {
    mayEmit: isHandedOn || asks.some((member) => member.startsWith("emit")),
    sendsAtLeast: Math.max(1, emits + (returnsValue ? 1 : 0)),
    returnsAndEmits: emits > 0 && returnsValue,
    mayChoose: isHandedOn || isChosen,
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

  /** Returns the members read from the context, whether it is passed on, and whether an emit names its successors. */
  uses(): { asks: string[]; isHandedOn: boolean; isChosen: boolean } {
    const places = this.#tokens.flatMap((_, at) => (at >= this.#from && this.#isContext(at) ? [at] : []));
    const asks = places.map((at) => this.#memberAt(at)).filter((member) => member !== undefined);
    const isChosen = places.some((at) => this.#isEmit(at) && this.#hasOptions(at + 3));
    return { asks, isHandedOn: asks.length < places.length, isChosen };
  }

  /** Returns the effects of every run that does not throw: emits to all successors, and a value returned after them. */
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

  /** Whether `ctx.emit(one)` is a whole statement, possibly the body of a loop without braces. */
  #isEmitToAll(at: number): boolean {
    if (!this.#isEmit(at)) return false;
    const hasKeyword = this.#tokens[at - 1] === "await" || this.#tokens[at - 1] === "void";
    return this.#beginsStatement(hasKeyword ? at - 1 : at, true) && !this.#hasOptions(at + 3);
  }

  #isEmit(at: number): boolean {
    const member = this.#memberAt(at);
    return (member === "emit" || member === "emitNowait") && this.#tokens[at + 3] === "(";
  }

  /** Whether a call has more than one argument, or may have. */
  #hasOptions(open: number): boolean {
    const close = this.#partners.get(open);
    for (let inside = open + 1; inside < (close ?? 0); inside += 1) {
      const token = this.#tokens[inside];
      if (token === "..." || (token === "," && inside + 1 !== close)) return true;
      inside = Math.max(inside, this.#partners.get(inside) ?? inside);
    }
    return close === undefined;
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

  /** Whether the bracket's contents run whenever the code around it runs. */
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
