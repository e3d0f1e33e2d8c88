import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import type { TurnPart } from "../plan/log-item.ts";

/** The turn of a model, alike for native tool calling and JSON mode. */
export interface ModelTurn {
  /** Text, reasoning, calls, in the order of the model. */
  readonly parts: readonly TurnPart[];
  /** All its text; with a schema of the answer, the text that is the answer. */
  readonly text: string;
  /** `cut` by a limit of length, `filtered`, or `stop` for every other reason. */
  readonly finish: "stop" | "cut" | "filtered";
  /** Sentence for the model when the turn has neither calls nor an answer: the reason, and what to do. Set for any `finish`. */
  readonly problem?: string | undefined;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly costUsd: number;
  /** The model that answered, as the provider calls it. */
  readonly modelId: string;
}

/** Settings of model calls, passed on as they are. */
export type ModelSettings = Pick<
  LanguageModelV4CallOptions,
  | "maxOutputTokens"
  | "temperature"
  | "topP"
  | "topK"
  | "presencePenalty"
  | "frequencyPenalty"
  | "stopSequences"
  | "seed"
  | "reasoning"
  | "providerOptions"
  | "headers"
>;

/** Prices in US dollars for a million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
  /** @defaultValue `input` */
  readonly cachedInput?: number | undefined;
}

/** Prices by the id under which a model is asked for. A model without a price is not called. */
export type Prices = Readonly<Record<string, Price>>;
