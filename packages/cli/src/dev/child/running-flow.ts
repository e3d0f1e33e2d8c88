import { setTimeout as sleep } from "node:timers/promises";
import { type CancelReport, errorPayload, FlowError, type FlowRun, type RunOptions } from "penguiflow";
import { readValue } from "penguiflow/durable";
import { runFrom } from "penguiflow/testing";
import type { Decision, PlanEvent, Prompt } from "@penguiflow/planner";
import type { AnyPlanner } from "../../project/find-flows.ts";
import type { StartRun } from "../ipc/messages.ts";
import { isRefusal, Refusal, refusalOf } from "./refusal.ts";
import { jsonOf } from "./plain-json.ts";
import { PERSON } from "./person.ts";
import { recall } from "./thread-memory.ts";
import { modelThatCalls, type ToolWish } from "./tool-try.ts";

/** Milliseconds to wait for a flow to accept a message or an answer. */
const PATIENCE_MS = 1_000;

/** Receives the JSON of a fact of a run, without the run. */
export type Tell = (runId: string, tenant: string, fact: string) => void;

/** A flow that a page may show: one that the project exports, or one that it runs. */
export interface ShownFlow {
  readonly name: string;
  readonly exported: string | undefined;
  readonly flow: FlowRun<never, unknown>;
  readonly planner: AnyPlanner | undefined;
  /** Options with which it runs. */
  readonly options: RunOptions<unknown>;
}

/** A flow of the project that runs, as the pages use it. */
export class RunningFlow {
  readonly found: ShownFlow;
  readonly #tell: Tell;
  /** Told when the run whose answer was given goes on. */
  readonly #resumed = new Map<string, (value: undefined) => void>();
  /** Planners that each run one call of a tool, by the ids of their runs. */
  readonly #tries = new Map<string, RunningFlow>();

  /** Threads of the runs that have not ended. */
  readonly #threads = new Map<string, string>();
  readonly #onEnd: (thread: string | undefined, tenant: string) => void;

  /** @param onEnd - called when a planner's run has ended, with its thread */
  constructor(found: ShownFlow, tell: Tell, onEnd: (thread: string | undefined, tenant: string) => void = () => {}) {
    this.found = found;
    this.#tell = tell;
    this.#onEnd = onEnd;
  }

  /** The flow itself, and those that try its tools. */
  get everyFlow(): readonly ShownFlow[] {
    return [this.found, ...[...this.#tries.values()].map(({ found }) => found)];
  }

  /** Whether it is a run of this graph. */
  runsGraph(graph: object): boolean {
    return this.everyFlow.some(({ flow }) => flow.graph === graph);
  }

  /**
   * Calls a tool as a run of its own, by the way that the model's calls take.
   *
   * @throws Refusal `TOOL_UNKNOWN`, `WRITES_UNCONFIRMED`
   */
  async callTool(runId: string, tenant: string, call: ToolWish): Promise<void> {
    const { planner, options } = this.found;
    if (planner === undefined) throw new Refusal("TOOL_UNKNOWN", `"${this.found.name}" is a flow: it has no tools`);
    const tried = planner.withModel(await modelThatCalls(planner, tenant, call));
    const found = { ...this.found, flow: tried.flow as unknown as ShownFlow["flow"], planner: tried };
    const running = new RunningFlow(found, this.#tell, () => {
      this.#tries.delete(runId);
      void tried.flow.stop();
    });
    this.#tries.set(runId, running);
    tried.start(options);
    await running.begin({ type: "start", flow: found.name, runId, tenant, input: `Call ${call.tool}` });
  }

  /**
   * Begins a run, and resolves once it is accepted.
   *
   * @throws Refusal `INPUT_INVALID`, `FLOW_NOT_RUNNING`
   */
  async begin({
    runId,
    tenant,
    written,
    timeoutMs,
    thread,
    attachments = [],
    remembered,
    from,
    ...given
  }: StartRun): Promise<void> {
    const { flow, planner } = this.found;
    const input = written === undefined ? given.input : readValue(written);
    if (from !== undefined) {
      const meta = from.meta === undefined ? {} : { meta: from.meta };
      const again = runFrom(flow, from.node, input, { tenant, traceId: runId, timeoutMs, onLeave: "detach", ...meta });
      await this.#begun(again);
      return;
    }
    if (planner !== undefined) {
      if (!flow.isRunning) throw new Refusal("FLOW_NOT_RUNNING", `Planner "${this.found.name}" does not run`);
      // its end is told by its events, which may come after that of its trace
      this.#tell(runId, tenant, `{"at":${now()},"kind":"reading"}`);
      const prompt = promptOf(input, attachments);
      if (thread !== undefined) {
        this.#threads.set(runId, thread);
        await recall(planner, { tenant, thread }, remembered ?? []);
      }
      const events = planner.stream(prompt, { tenant, user: PERSON, runId, timeoutMs, thread, onLeave: "detach" });
      this.#read(runId, tenant, events);
      return;
    }
    const items = flow.stream(input as never, { tenant, traceId: runId, timeoutMs, onLeave: "detach" });
    await this.#begun(items);
  }

  /** @throws Refusal */
  async #begun(items: ReturnType<typeof runFrom>): Promise<void> {
    try {
      // a full flow takes the message later: the page is not held up
      await Promise.race([items.accepted(), sleep(PATIENCE_MS, undefined, { ref: false })]);
    } catch (error) {
      throw refusalOf(error);
    }
    void readOn(items);
  }

  /**
   * Answers a pause, and resolves once the answer is accepted.
   *
   * @throws Refusal `PAUSE_UNKNOWN`, `PAUSE_USED`, `PAUSE_EXPIRED`, `RESUME_INVALID`
   */
  async resume(runId: string, tenant: string, token: string, value: unknown): Promise<void> {
    const runner = this.#runnerOf(runId);
    if (runner !== this) {
      await runner.resume(runId, tenant, token, value);
      return;
    }
    const { flow, planner } = this.found;
    if (planner === undefined) {
      const items = flow.pauses.resumeStream(token, value, { tenant, onLeave: "detach" });
      await this.#accepted(runId, items.next());
      void readOn(items);
      return;
    }
    const events = planner.resumeStream(
      token,
      decisionOf(value),
      { tenant, by: PERSON, user: PERSON },
      { onLeave: "detach" },
    );
    this.#tell(runId, tenant, `{"at":${now()},"kind":"reading"}`);
    const first = events.next();
    try {
      await this.#accepted(runId, first);
    } catch (error) {
      this.#tell(runId, tenant, `{"at":${now()},"kind":"read"}`);
      throw error;
    }
    this.#read(runId, tenant, after(first, events));
  }

  /**
   * Resolves once an answer is accepted. A refused one fails at once; what an accepted one leads to may come late.
   *
   * @throws Refusal
   */
  async #accepted(runId: string, first: Promise<unknown>): Promise<void> {
    const resumed = Promise.withResolvers<undefined>();
    this.#resumed.set(runId, resumed.resolve);
    try {
      await Promise.race([first, resumed.promise, sleep(PATIENCE_MS, undefined, { ref: false })]);
    } catch (error) {
      // the end of the trace is no refusal
      if (!(error instanceof FlowError) || isRefusal(error)) throw refusalOf(error);
    } finally {
      this.#resumed.delete(runId);
    }
    first.catch(() => {});
  }

  /** Learns that an answer was accepted. */
  resumedRun(runId: string): void {
    this.#runnerOf(runId).#resumed.get(runId)?.(undefined);
  }

  /** Returns what runs it: this flow, or one that tries a tool. */
  #runnerOf(runId: string): RunningFlow {
    return this.#tries.get(runId) ?? this;
  }

  /** @throws Refusal `RUN_ENDED` */
  async cancel(runId: string, tenant: string): Promise<CancelReport> {
    const flow = this.#runnerOf(runId).found.flow;
    const report = await flow.cancel(runId, { tenant, reason: "Cancelled at the playground" });
    if (!report.found) throw new Refusal("RUN_ENDED", `Run "${runId}" has ended`);
    return report;
  }

  /** @throws Refusal `RUN_ENDED`, `INPUT_INVALID` */
  async steer(runId: string, tenant: string, text: string): Promise<void> {
    const { planner, name } = this.#runnerOf(runId).found;
    if (planner === undefined)
      throw new Refusal("INPUT_INVALID", `"${name}" is a flow: a planner's run is steered alone`);
    try {
      await planner.steer(runId, text, { tenant, by: PERSON });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  #read(runId: string, tenant: string, events: AsyncIterable<PlanEvent<unknown>>): void {
    const tell = (fact: string): void => this.#tell(runId, tenant, fact);
    const read = async (): Promise<void> => {
      try {
        for await (const event of events) {
          tell(`{"at":${now()},"kind":"plan","event":${jsonOf(event)}}`);
          if (event.type === "end" && event.path.length === 0) {
            const thread = this.#threads.get(runId);
            this.#threads.delete(runId);
            this.#onEnd(thread, tenant);
          }
        }
      } catch (error) {
        tell(`{"at":${now()},"kind":"failed","error":${jsonOf(errorPayload(error))}}`);
      }
      tell(`{"at":${now()},"kind":"read"}`);
    };
    void read();
  }
}

/** Returns epoch milliseconds with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Reads a stream to its end: an unread one holds its flow up. What it yields is observed elsewhere. */
async function readOn(items: AsyncIterator<unknown>): Promise<void> {
  try {
    while ((await items.next()).done !== true);
  } catch {
    // the end of the trace says why
  }
}

async function* after<Item>(
  first: Promise<IteratorResult<Item, void>>,
  rest: AsyncIterator<Item, void>,
): AsyncGenerator<Item> {
  for (let item = await first; item.done !== true; item = await rest.next()) yield item.value;
}

/** @throws Refusal `INPUT_INVALID` */
function promptOf(input: unknown, attachments: NonNullable<StartRun["attachments"]>): Prompt {
  if (typeof input !== "string") throw new Refusal("INPUT_INVALID", "The input of a planner is a text");
  if (attachments.length === 0) return input;
  const files = attachments.map(({ name, mediaType, base64 }) => ({
    type: "file" as const,
    mediaType,
    data: base64,
    filename: name,
  }));
  return [{ type: "text", text: input }, ...files];
}

/** @throws Refusal `RESUME_INVALID` */
function decisionOf(value: unknown): Decision {
  const decision = value as Partial<Record<"approved" | "value" | "reason", unknown>> | null;
  const isDecision =
    typeof decision === "object" &&
    decision !== null &&
    (typeof decision.approved === "boolean" || "value" in decision) &&
    (decision.reason === undefined || typeof decision.reason === "string");
  if (!isDecision)
    throw new Refusal(
      "RESUME_INVALID",
      "The answer must be { approved: true, args? }, { approved: false, reason? } or { value }",
    );
  return decision as Decision;
}
