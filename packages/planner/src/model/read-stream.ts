import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider";
import { ModelError } from "./model-error.ts";
import { providerFailure } from "./provider-failure.ts";

/** The answer of a model, alike whether it was generated or streamed. */
export interface ModelAnswer {
  readonly content: readonly LanguageModelV4Content[];
  readonly finish: LanguageModelV4FinishReason;
  readonly usage: LanguageModelV4Usage | undefined;
  readonly modelId: string | undefined;
  /** Text of a typed answer, when it is not all the text: a model may write drafts before it. */
  readonly outputText?: string | undefined;
}

/** Receives text and reasoning while a model speaks. The stream waits for it. */
export type OnDelta = (kind: "text" | "reasoning", delta: string) => Promise<unknown>;

/** A block of text or reasoning. Providers use the id of a block again once it has ended. */
interface Block {
  readonly type: "text" | "reasoning";
  text: string;
  providerMetadata?: SharedV4ProviderMetadata;
}

/**
 * Reads a model's stream to its end. Parts of unknown kinds are passed over.
 *
 * @throws ModelError for an error part, for a broken connection, and for a stream without a `finish` part
 */
export async function readStream(
  modelId: string,
  stream: ReadableStream<LanguageModelV4StreamPart>,
  signal: AbortSignal,
  onDelta: OnDelta,
): Promise<ModelAnswer> {
  const reader = stream.getReader();
  const release = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", release, { once: true });
  const heard = new Heard();
  let isOver = false;
  try {
    signal.throwIfAborted();
    for (;;) {
      let read: Awaited<ReturnType<typeof reader.read>>;
      try {
        read = await reader.read();
      } catch (error) {
        signal.throwIfAborted();
        throw providerFailure(modelId, error, heard.text);
      }
      // a reader that is cancelled tells an end of the stream, which is none
      signal.throwIfAborted();
      if (read.done) {
        isOver = true;
        return heard.answer(modelId);
      }
      const part = read.value;
      if (part.type === "error") throw providerFailure(modelId, part.error, heard.text);
      const delta = heard.take(part);
      if (delta !== undefined) await onDelta(delta.kind, delta.text);
    }
  } finally {
    signal.removeEventListener("abort", release);
    if (!isOver) release();
  }
}

/** The content of a stream so far. */
class Heard {
  readonly #content: LanguageModelV4Content[] = [];
  readonly #blocks = new Map<string, Block>();
  #end: { readonly finish: LanguageModelV4FinishReason; readonly usage: LanguageModelV4Usage | undefined } | undefined;
  #modelId: string | undefined;

  get text(): string {
    return this.#content.map((part) => (part.type === "text" ? part.text : "")).join("");
  }

  /** Takes a part; returns the piece of text or reasoning in it. */
  take(part: LanguageModelV4StreamPart): { readonly kind: "text" | "reasoning"; readonly text: string } | undefined {
    switch (part.type) {
      case "text-start":
      case "reasoning-start":
        this.#blocks.delete(part.id);
        return this.#speak(part.type === "text-start" ? "text" : "reasoning", part);
      case "text-delta":
      case "text-end":
        return this.#speak("text", part);
      case "reasoning-delta":
      case "reasoning-end":
        return this.#speak("reasoning", part);
      case "tool-call":
      case "tool-result":
      case "file":
      case "reasoning-file":
      case "custom":
        this.#content.push(part);
        break;
      case "response-metadata":
        this.#modelId = part.modelId ?? this.#modelId;
        break;
      case "finish":
        this.#end = { finish: part.finishReason, usage: part.usage };
        break;
      // parts of kinds that are new end here, too
      case "error":
      case "ping":
      case "raw":
      case "source":
      case "stream-start":
      case "tool-approval-request":
      case "tool-input-start":
      case "tool-input-delta":
      case "tool-input-end":
    }
    return undefined;
  }

  answer(modelId: string): ModelAnswer {
    if (this.#end === undefined) {
      throw new ModelError({
        code: "MODEL_OUTPUT_CUT",
        message: `Cannot use the answer of model "${modelId}": its stream ended before it was finished`,
        retryable: true,
        text: this.text,
      });
    }
    return { content: this.#content, ...this.#end, modelId: this.#modelId };
  }

  #speak(
    kind: "text" | "reasoning",
    part: { readonly id: string; readonly delta?: string; readonly providerMetadata?: SharedV4ProviderMetadata },
  ): { readonly kind: "text" | "reasoning"; readonly text: string } | undefined {
    let block = this.#blocks.get(part.id);
    if (block?.type !== kind) {
      block = { type: kind, text: "" };
      this.#blocks.set(part.id, block);
      this.#content.push(block);
    }
    if (part.providerMetadata !== undefined) block.providerMetadata = part.providerMetadata;
    if (part.delta === undefined || part.delta === "") return undefined;
    block.text += part.delta;
    return { kind, text: part.delta };
  }
}
