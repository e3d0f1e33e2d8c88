import type { Clock, Context, Playbook } from "penguiflow";
import { leftOf, lowest, type PlanBudget } from "../plan/budget.ts";
import type { Caller } from "../plan/caller.ts";
import type { Json } from "../plan/json.ts";
import type { Prompt } from "../plan/log-item.ts";
import type { Call, PlanInput } from "../plan/loop-state.ts";
import type { BareEnd } from "../plan/plan-end.ts";
import { checkAgainst, jsonSchemaOf } from "../tools/json-schema.ts";
import { withoutSecrets } from "../tools/secrets.ts";
import type { PlannerBelow, ToolContext, ToolQuestion } from "../tools/tool.ts";
import { answerSchema, askedOf } from "./ask.ts";
import type { Answered } from "./people.ts";

/** A call that is about to run. */
export interface RunningCall {
  readonly call: Call;
  readonly caller: Caller;
  readonly ctx: Context;
  readonly credential: unknown;
  /** Texts of the credential. What the call stores and tells is without them. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  /** Key of the side effect. @defaultValue the key of the message */
  readonly key?: string | undefined;
}

/**
 * The context of a tool. Its functions are made when they are looked at, bound to it: tools take them apart, and most
 * use none.
 */
export class CallContext implements ToolContext<never> {
  readonly #running: RunningCall;
  #asked = 0;
  #calls = 0;

  constructor(running: RunningCall) {
    this.#running = running;
  }

  get ctx(): Context {
    return this.#running.ctx;
  }

  get secrets(): readonly string[] {
    return this.#running.secrets;
  }

  /** Returns the same context for a side effect of a key of its own. */
  withKey(key: string): CallContext {
    return new CallContext({ ...this.#running, key });
  }

  get callId(): string {
    return this.#running.call.callId;
  }

  get idempotencyKey(): string {
    return this.#running.key ?? this.#running.ctx.idempotencyKey;
  }

  get attempt(): number {
    return this.#running.ctx.attempt;
  }

  get caller(): Caller {
    return this.#running.caller;
  }

  get credential(): unknown {
    return this.#running.credential;
  }

  get resources(): never {
    return this.#running.ctx.resources as never;
  }

  get signal(): AbortSignal {
    return this.#running.ctx.signal;
  }

  get left(): PlanBudget {
    const { loop } = this.#running.call;
    return lowest(leftOf(loop.budget, loop.spent), this.#running.ctx.budget.left);
  }

  get progress(): ToolContext["progress"] {
    const { ctx, call, secrets } = this.#running;
    return async (data: Json) => {
      const told = { callId: call.callId, data: withoutSecrets(data, secrets) };
      await ctx.emitChunk({ kind: "planner.progress", data: told });
    };
  }

  get ask(): ToolContext["ask"] {
    return async (question) => {
      this.#asked += 1;
      return await ask(question, this.#asked, this.#running);
    };
  }

  get once(): ToolContext["once"] {
    const { ctx } = this.#running;
    const key = this.idempotencyKey;
    return (name, effect) => ctx.once(`${key}/${name}`, effect, { keep: "message" });
  }

  get call(): ToolContext["call"] {
    return async <Input, Result>(flow: Playbook<Input, Result>, input: Input): Promise<Result> =>
      await this.#running.ctx.callPlaybook(flow, input, { key: this.#nextCall() });
  }

  get run(): ToolContext["run"] {
    return async <Output>({ name, flow }: PlannerBelow<Output>, prompt: Prompt, budget?: Partial<PlanBudget>) => {
      const { user, thread, streams, path } = this.#running.call.loop;
      const input: PlanInput = { prompt, user, thread, budget, path: [...path, name], streams };
      const end: BareEnd<Output> = await this.#running.ctx.callPlaybook(flow, input, { key: this.#nextCall() });
      return end;
    };
  }

  #nextCall(): string {
    this.#calls += 1;
    return `${this.#running.call.callId}/${this.#calls}`;
  }
}

async function ask<Value>(
  question: ToolQuestion<Value>,
  index: number,
  { call, caller, ctx, secrets, clock }: RunningCall,
): Promise<Value> {
  const { schema, expiresInMs } = question;
  const { reason, payload } = withoutSecrets({ reason: question.reason, payload: question.payload }, secrets);
  const jsonSchema = jsonSchemaOf(`the question of tool "${call.tool}"`, schema, question.jsonSchema);
  const check = async ({ decision }: Answered): Promise<string | undefined> => {
    if (!("value" in decision)) return "expected a value";
    const checked = await checkAgainst(schema, decision.value);
    return checked.ok ? undefined : checked.problem;
  };
  const answered = await ctx.pause<Answered | "expired">({
    name: `input ${index}`,
    reason,
    payload: askedOf(call, caller, { kind: "input", schema: jsonSchema, ...(payload !== undefined && { payload }) }),
    resumeSchema: answerSchema(check),
    ...(expiresInMs !== undefined && { expiresAt: clock.epochNow() + expiresInMs, ifExpired: "expired" as const }),
  });
  if (answered === "expired") throw new Error(`No answer to "${reason}" in time`);
  const { decision } = answered;
  const checked = await checkAgainst(schema, "value" in decision ? decision.value : undefined);
  if (!checked.ok) throw new TypeError(`The answer to "${reason}" does not fit: ${checked.problem}`);
  return checked.value as Value;
}
