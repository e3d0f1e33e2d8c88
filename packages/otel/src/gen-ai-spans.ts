import { type Attributes, type Context, type Span, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import { ERROR_TYPE, GenAi, Own, PROVIDERS } from "./conventions.ts";

/** A model call of a planner. */
export interface ModelCall {
  readonly step: number;
  /** The model that was asked. */
  readonly model?: string | undefined;
  /** The provider as the AI SDK names it, such as `openai.chat`. */
  readonly provider?: string | undefined;
  readonly tokensIn?: number | undefined;
  readonly tokensOut?: number | undefined;
  readonly costUsd: number;
  readonly ms: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** A tool call of a planner. */
export interface ToolCall {
  readonly callId: string;
  readonly tool: string;
  /** Kind of the result. */
  readonly outcome: string;
  /** Reason why the call has no result of its tool. */
  readonly code?: string | undefined;
  readonly ms: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** The end of a planner's run, or its pause. */
export interface PlanOutcome {
  readonly status: string;
  readonly code?: string | undefined;
  /** The budget that is used up. */
  readonly which?: string | undefined;
  readonly spent?: PlanSpent | undefined;
}

/** Amounts that a run has spent. */
export interface PlanSpent {
  readonly steps: number;
  readonly toolCalls: number;
  readonly tokens: number;
  readonly costUsd: number;
}

/** The beginning of a planner's run. */
export interface PlanBeginning {
  /** Name of the planner. */
  readonly planner: string;
  readonly thread?: string | undefined;
}

/** Makes the span of a trace that of a planner's run. */
export function beginRun(span: Span, { planner, thread }: PlanBeginning): void {
  span.updateName(`${GenAi.INVOKE_AGENT} ${planner}`);
  span.setAttributes({
    [GenAi.OPERATION_NAME]: GenAi.INVOKE_AGENT,
    [GenAi.PROVIDER_NAME]: GenAi.PROVIDER_VALUE,
    [GenAi.AGENT_NAME]: planner,
    ...(thread !== undefined && { [GenAi.CONVERSATION_ID]: thread }),
  });
}

/** Writes the span of a model call that has just been made. */
export function writeModelCall(
  tracer: Tracer,
  parent: Context,
  endAt: number,
  call: ModelCall,
  more?: Attributes,
): void {
  const { step, model, provider, tokensIn, tokensOut, costUsd, ms, attempt } = call;
  const attributes: Attributes = {
    [GenAi.OPERATION_NAME]: GenAi.CHAT,
    [GenAi.PROVIDER_NAME]: providerOf(provider),
    [Own.STEP]: step,
    [Own.ATTEMPT]: attempt,
    [Own.COST]: costUsd,
    ...more,
  };
  if (model !== undefined) attributes[GenAi.REQUEST_MODEL] = model;
  if (tokensIn !== undefined) attributes[GenAi.INPUT_TOKENS] = tokensIn;
  if (tokensOut !== undefined) attributes[GenAi.OUTPUT_TOKENS] = tokensOut;
  const name = model === undefined ? GenAi.CHAT : `${GenAi.CHAT} ${model}`;
  const options = { kind: SpanKind.CLIENT, attributes, startTime: endAt - ms };
  tracer.startSpan(name, options, parent).end(endAt);
}

/** Writes the span of a tool call that has just been made. */
export function writeToolCall(tracer: Tracer, parent: Context, endAt: number, call: ToolCall, more?: Attributes): void {
  const { callId, tool, outcome, code, ms, attempt } = call;
  const attributes: Attributes = {
    [GenAi.OPERATION_NAME]: GenAi.EXECUTE_TOOL,
    [GenAi.TOOL_NAME]: tool,
    [GenAi.TOOL_TYPE]: GenAi.TOOL_TYPE_VALUE,
    [GenAi.TOOL_CALL_ID]: callId,
    [Own.OUTCOME]: outcome,
    [Own.ATTEMPT]: attempt,
    ...more,
  };
  const options = { kind: SpanKind.INTERNAL, attributes, startTime: endAt - ms };
  const span = tracer.startSpan(`${GenAi.EXECUTE_TOOL} ${tool}`, options, parent);
  // a refusal by a person or a policy is an outcome as it should be
  if (outcome === "error" || outcome === "unknown") fail(span, code ?? outcome);
  span.end(endAt);
}

/** Describes the end of a run. A pause and a cancel are no errors. */
export function describeOutcome(span: Span, { status, code, which, spent }: PlanOutcome): void {
  span.setAttribute(Own.PLAN_OUTCOME, status);
  if (spent !== undefined)
    span.setAttributes({
      [Own.STEPS]: spent.steps,
      [Own.TOOL_CALLS]: spent.toolCalls,
      [Own.TOKENS]: spent.tokens,
      [Own.COST]: spent.costUsd,
    });
  if (status === "failed" || status === "exhausted") fail(span, code ?? which ?? status);
}

function fail(span: Span, type: string): void {
  span.setAttribute(ERROR_TYPE, type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Returns the convention's name of a provider; the AI SDK appends the kind of its model. */
function providerOf(provider: string | undefined): string {
  if (provider === undefined) return GenAi.PROVIDER_VALUE;
  const known = Object.keys(PROVIDERS).sort((one, other) => other.length - one.length);
  const own = known.find((name) => provider === name || provider.startsWith(`${name}.`));
  return own === undefined ? (provider.split(".", 1)[0] ?? provider) : (PROVIDERS[own] ?? own);
}
