import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import type { Prices } from "./model-turn.ts";

/** Tokens of a model call. */
export interface Usage {
  readonly tokensIn: number;
  readonly tokensOut: number;
  /** Tokens of `tokensIn` that were read from the provider's cache. */
  readonly cached: number;
}

/** Characters of a token, roughly: of English, and of JSON. */
const CHARACTERS_PER_TOKEN = 4;

/** Estimates the tokens of a text. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

/** Cuts a text to so many tokens, as estimated. */
export function clipToTokens(text: string, tokens: number): string {
  return text.slice(0, tokens * CHARACTERS_PER_TOKEN);
}

/** Reads the tokens of a call; `undefined` if its provider does not tell them all. */
export function knownUsage(usage: LanguageModelV4Usage | undefined): Usage | undefined {
  const { tokensIn, tokensOut, cached } = toldUsage(usage);
  return tokensIn === undefined || tokensOut === undefined ? undefined : { tokensIn, tokensOut, cached };
}

/** Estimates the tokens that a provider does not tell, so that a budget of tokens holds there, too. */
export function estimatedUsage(usage: LanguageModelV4Usage | undefined, asked: string, answered: string): Usage {
  const { tokensIn = estimateTokens(asked), tokensOut = estimateTokens(answered), cached } = toldUsage(usage);
  return { tokensIn, tokensOut, cached };
}

function toldUsage(usage: LanguageModelV4Usage | undefined): {
  readonly tokensIn: number | undefined;
  readonly tokensOut: number | undefined;
  readonly cached: number;
} {
  const input = usage?.inputTokens;
  const output = usage?.outputTokens;
  return {
    tokensIn: input?.total ?? sum(input?.noCache, input?.cacheRead, input?.cacheWrite),
    tokensOut: output?.total ?? sum(output?.text, output?.reasoning),
    cached: input?.cacheRead ?? 0,
  };
}

function sum(...counts: ReadonlyArray<number | undefined>): number | undefined {
  const known = counts.filter((count) => count !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, count) => total + count, 0);
}

/**
 * Throws when there are prices and none for the model: a budget of dollars would not hold.
 *
 * @throws TypeError
 */
export function requirePrice(prices: Prices | undefined, modelId: string): void {
  if (prices === undefined || Object.hasOwn(prices, modelId)) return;
  const known = Object.keys(prices).map((id) => `"${id}"`);
  throw new TypeError(`Cannot price model "${modelId}": "prices" has ${known.join(", ") || "no model"}; add it`);
}

/** Returns the price of a call in US dollars, of the first model that has one. Without prices a call costs nothing. */
export function costOf(usage: Usage, prices: Prices | undefined, modelIds: readonly string[]): number {
  const id = modelIds.find((candidate) => prices !== undefined && Object.hasOwn(prices, candidate));
  const price = id === undefined ? undefined : prices?.[id];
  if (price === undefined) return 0;
  const { tokensIn, tokensOut, cached } = usage;
  const fresh = Math.max(0, tokensIn - cached);
  return (fresh * price.input + cached * (price.cachedInput ?? price.input) + tokensOut * price.output) / 1_000_000;
}
