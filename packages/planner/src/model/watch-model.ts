import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { Context } from "penguiflow";
import { type Channel, subscribedTap } from "penguiflow/adapter";
import { SECRET } from "../tools/secrets.ts";
import { knownUsage } from "./usage.ts";

/** A model call, on the diagnostics channel `penguiflow:model` once it is over. */
export interface ObservedModelCall {
  readonly runId: string;
  readonly tenant: string;
  /** Names of the planners below the one that was run, outermost first. */
  readonly path: readonly string[];
  readonly purpose: "step" | "critique" | "summary";
  /** Number of the model call in its run, from 1; 0 for a summary. */
  readonly step: number;
  readonly node: string;
  readonly attempt: number;
  /** Ends with the lineage of the message, which the events of the node have, too. */
  readonly idempotencyKey: string;
  readonly provider: string;
  readonly modelId: string;
  /** Epoch milliseconds with fractions. */
  readonly startedAt: number;
  readonly ms: number;
  /** The options of the call, as the model was given them, without its signal and headers: those may hold a key. */
  readonly request: Omit<LanguageModelV4CallOptions, "abortSignal" | "headers">;
  /** The parts that it answered, texts whole; as far as they came if it failed. */
  readonly reply: readonly unknown[];
  readonly tokens?: { readonly in: number; readonly out: number } | undefined;
  readonly error?: unknown;
}

/** The attempt that asks a model, and what for. */
export type AskingAttempt = Pick<
  ObservedModelCall,
  "purpose" | "runId" | "tenant" | "path" | "node" | "attempt" | "idempotencyKey"
>;

/** Returns the arguments of a call, as JSON text, without those that are secret. */
export type HideArguments = (tool: string, input: string) => string;

/** A call that may be watched. */
interface WatchedCall {
  readonly askedBy?: AskingAttempt | undefined;
  readonly step: number;
  readonly mode: "native" | "json";
  readonly hide?: HideArguments | undefined;
}

type Place = AskingAttempt & Pick<ObservedModelCall, "step">;

/** Returns the attempt behind a handler's context, as the one that asks a model; nothing if no tool watches. */
export function askingAttempt(
  purpose: AskingAttempt["purpose"],
  ctx: Context,
  path: readonly string[],
): AskingAttempt | undefined {
  if (subscribedTap("model") === undefined) return undefined;
  const { traceId: runId, tenant, node, attempt, idempotencyKey } = ctx;
  return { purpose, runId, tenant, path, node, attempt, idempotencyKey };
}

/** Returns the model as it is, or one whose calls are published if the channel has a subscriber. */
export function watchModel(model: LanguageModelV4, { askedBy, step, mode, hide }: WatchedCall): LanguageModelV4 {
  const channel = askedBy === undefined ? undefined : subscribedTap("model");
  if (askedBy === undefined || channel === undefined) return model;
  const place: Place = { ...askedBy, step };
  const show = (part: Part): Part => (hide === undefined ? part : shown(part, mode, hide));
  const calls: Pick<LanguageModelV4, "doGenerate" | "doStream"> = {
    async doGenerate(options) {
      const call = new Call(channel, { place, model, options, show });
      try {
        const result = await model.doGenerate(options);
        call.reply.push(...result.content);
        call.end(result.usage);
        return result;
      } catch (error) {
        call.end(undefined, error);
        throw error;
      }
    },
    async doStream(options) {
      const call = new Call(channel, { place, model, options, show });
      try {
        const result = await model.doStream(options);
        return { ...result, stream: result.stream.pipeThrough(call.listener()) };
      } catch (error) {
        call.end(undefined, error);
        throw error;
      }
    },
  };
  // a model may be of a class: what it has besides is reached through it
  return new Proxy(model, {
    get: (target, key) => {
      if (key === "doGenerate" || key === "doStream") return calls[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A part of an answer, or of a stream. */
type Part = Readonly<Record<string, unknown>>;

/** Returns a part without secret arguments. In JSON mode all calls are text. */
function shown(part: Part, mode: "native" | "json", hide: HideArguments): Part {
  const { type, toolName, input } = part;
  if (type === "text" && mode === "json") return { ...part, text: SECRET };
  return type === "tool-call" ? { ...part, input: hide(toolName as string, input as string) } : part;
}

/** A call under way. It is published once. */
class Call {
  readonly reply: Part[] = [];
  readonly #show: (part: Part) => Part;
  readonly #channel: Channel;
  readonly #place: Place;
  readonly #model: LanguageModelV4;
  readonly #request: ObservedModelCall["request"];
  readonly #startedAt = performance.timeOrigin + performance.now();
  readonly #began = performance.now();
  #isOver = false;

  constructor(
    channel: Channel,
    {
      place,
      model,
      options: { abortSignal: _, headers: __, ...request },
      show,
    }: {
      readonly place: Place;
      readonly model: LanguageModelV4;
      readonly options: LanguageModelV4CallOptions;
      readonly show: (part: Part) => Part;
    },
  ) {
    this.#show = show;
    this.#channel = channel;
    this.#place = place;
    this.#model = model;
    this.#request = request;
  }

  end(usage: LanguageModelV4Usage | undefined, error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const known = usage === undefined ? undefined : knownUsage(usage);
    this.#channel.publish({
      ...this.#place,
      provider: this.#model.provider,
      modelId: this.#model.modelId,
      startedAt: this.#startedAt,
      ms: performance.now() - this.#began,
      request: this.#request,
      reply: this.reply.map(this.#show),
      ...(known !== undefined && { tokens: { in: known.tokensIn, out: known.tokensOut } }),
      ...(error !== undefined && { error }),
    } satisfies ObservedModelCall);
  }

  /** Returns a stream that passes parts on and keeps them: deltas of one text as one. */
  listener(): TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart> {
    return new TransformStream({
      transform: (part, controller) => {
        this.#hear(part);
        controller.enqueue(part);
      },
      flush: () => this.end(undefined),
      cancel: (reason: unknown) => this.end(undefined, reason),
    });
  }

  #hear(part: LanguageModelV4StreamPart): void {
    if (part.type === "text-delta" || part.type === "reasoning-delta") {
      const type = part.type === "text-delta" ? "text" : "reasoning";
      const last = this.reply.at(-1) as { readonly type: string; text: string } | undefined;
      if (last?.type === type) last.text += part.delta;
      else this.reply.push({ type, text: part.delta });
    } else if (part.type === "finish") this.end(part.usage);
    else if (part.type === "error") this.end(undefined, part.error);
    else if (WHOLE.has(part.type)) this.reply.push({ ...part });
  }
}

/** Types of parts that come in one piece. */
const WHOLE: ReadonlySet<string> = new Set(["tool-call", "tool-result", "file", "source"]);
