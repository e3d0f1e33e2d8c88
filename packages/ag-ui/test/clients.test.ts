import { type AGUIEvent, EventType, type Interrupt, type ResumeEntry } from "@ag-ui/core";
import { HttpAgent } from "@ag-ui/client";
import { aguiHandler, observeFlows } from "@penguiflow/ag-ui";
import { HttpAgent as EarlierAgent } from "ag-ui-client-v0";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { requireOrder } from "./order.ts";
import {
  type FlowScript,
  flowScript,
  type PlanScript,
  planScript,
  scriptedFlow,
  scriptedPlanner,
} from "./random-agents.ts";
import { closed, eventsIn, serve } from "./serve.ts";

// the clients print what they throw, and where they drop null
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** A run as one client saw it. */
interface Seen {
  readonly wire: AGUIEvent[];
  readonly events: AGUIEvent[];
  readonly error: unknown;
}

type Client = "1.0.0" | "0.0.59";
const CLIENTS: readonly Client[] = ["1.0.0", "0.0.59"];
let threads = 0;

/** Talks to a handler as an official client, and keeps what went over the wire. */
class Talk {
  readonly threadId = `thread-${(threads += 1)}`;
  readonly #agent: HttpAgent;
  #wire = "";

  constructor(client: Client, url: string) {
    const fetchAndKeep = async (address: string, init: RequestInit): Promise<Response> => {
      const response = await fetch(address, init);
      expect(response.status).toBe(200);
      const decoder = new TextDecoder();
      const keep = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          this.#wire += decoder.decode(chunk, { stream: true });
          controller.enqueue(chunk);
        },
      });
      return new Response(response.body?.pipeThrough(keep), { headers: response.headers });
    };
    const config = { url, threadId: this.threadId, fetch: fetchAndKeep };
    this.#agent = client === "1.0.0" ? new HttpAgent(config) : (new EarlierAgent(config) as never);
  }

  say(text: string): void {
    this.#agent.messages.push({ id: `${this.threadId}/said`, role: "user", content: text });
  }

  /** Runs once. With `leaves`, the client leaves after so many events. */
  async run(leaves: number | undefined, resume?: ResumeEntry[]): Promise<Seen> {
    this.#wire = "";
    const events: AGUIEvent[] = [];
    let error: unknown;
    const watch = ({ event }: { readonly event: unknown }): void => {
      events.push(event as AGUIEvent);
      if (leaves !== undefined && events.length > leaves) this.#agent.abortRun();
    };
    try {
      await this.#agent.runAgent(resume === undefined ? {} : { resume }, { onEvent: watch });
    } catch (thrown) {
      error = thrown;
    }
    return { wire: eventsIn(this.#wire), events, error };
  }

  /** Text of the agent, as the client keeps it. */
  get text(): string {
    const said = this.#agent.messages.filter(({ role }) => role === "assistant");
    return said.map(({ content }) => (typeof content === "string" ? content : "")).join("");
  }
}

/** Requires that a client has seen what was sent, and has found nothing wrong with it. */
function requireSeen({ wire, events, error }: Seen): void {
  expect(error).toBeUndefined();
  expect(events.map(({ type }) => type)).toEqual(wire.map(({ type }) => type));
}

/** The texts of the messages that the events make, one after the other. */
function saidIn(wire: readonly AGUIEvent[]): string {
  const texts = new Map<string, string>();
  for (const event of wire) {
    if (event.type === EventType.TEXT_MESSAGE_START) texts.set(event.messageId, "");
    else if (event.type === EventType.TEXT_MESSAGE_CONTENT)
      texts.set(event.messageId, `${texts.get(event.messageId)}${event.delta}`);
  }
  return [...texts.values()].join("");
}

/** Answers interrupts: approvals by turns with yes, edited arguments, no and not at all. */
function answers(interrupts: readonly Interrupt[], turn: number): ResumeEntry[] {
  return interrupts.map(({ id, reason }, index) => {
    if (reason !== "tool_call") return { interruptId: id, status: "resolved", payload: "yes" };
    const kind = (turn + index) % 4;
    if (kind === 3) return { interruptId: id, status: "cancelled" };
    const payloads = [{ approved: true }, { approved: true, editedArgs: { wish: "other" } }, { approved: false }];
    return { interruptId: id, status: "resolved", payload: payloads[kind] };
  });
}

/** Runs a script to its end with one client: answers what it asks, and checks each run on the way. */
async function endsOf(
  client: Client,
  url: string,
  script: { readonly leaves: number | undefined },
  order: Parameters<typeof requireOrder>[1] = {},
): Promise<string[]> {
  const talk = new Talk(client, url);
  talk.say(JSON.stringify(script));
  const ends: string[] = [];
  const wire: AGUIEvent[] = [];
  for (let turn = 0, resume: ResumeEntry[] | undefined; ; turn += 1) {
    const leaves = turn === 0 ? script.leaves : undefined;
    const seen = await talk.run(leaves, resume);
    const last = seen.wire.at(-1);
    if (last?.type !== EventType.RUN_FINISHED && last?.type !== EventType.RUN_ERROR) return ["left"];
    requireOrder(seen.wire, order);
    // a client that leaves may have got the last event without reading it
    if (leaves !== undefined) return ["left"];
    requireSeen(seen);
    wire.push(...seen.wire);
    ends.push(last.type === EventType.RUN_ERROR ? (last.code ?? "") : (last.outcome?.type ?? ""));
    if (last.type === EventType.RUN_ERROR || last.outcome?.type !== "interrupt") break;
    resume = answers(last.outcome.interrupts, turn);
  }
  const asked = wire.flatMap((event) => (event.type === EventType.TOOL_CALL_START ? [event.toolCallId] : []));
  const given = wire.flatMap((event) => (event.type === EventType.TOOL_CALL_RESULT ? [event.toolCallId] : []));
  // a run that succeeds has one result for each call, over all the runs that it took
  const isMatched = given.toSorted().join() === asked.toSorted().join();
  expect(isMatched || ends.at(-1) !== "success").toBe(true);
  const takenBack = wire.some((event) => event.type === EventType.CUSTOM && event.name === "penguiflow.retracted");
  expect(takenBack || talk.text === saidIn(wire)).toBe(true);
  return ends;
}

/** Counts how runs end, so that a test can require that each end has occurred. */
class Ends {
  readonly #seen = new Set<string>();

  add(ends: readonly string[]): string {
    const [end = ""] = ends.slice(-1);
    this.#seen.add(end);
    if (ends.length > 1) this.#seen.add("resumed");
    return end;
  }

  get all(): string[] {
    return [...this.#seen].toSorted();
  }
}

const RUNS = 250;

/** The ends that a script may have. */
function flowEnds({ left, right, leaves }: FlowScript): string[] {
  const acts = new Set([...left, ...right].map(({ act }) => act));
  const ends = [
    ...(acts.has("fail") ? ["NODE_EXCEPTION"] : []),
    ...(acts.has("cancel") ? ["cancelled", "CANCELLED"] : []),
  ];
  return [...(ends.length === 0 ? ["success"] : ends), ...(leaves === undefined ? [] : ["left"])];
}

test("random flows keep the order of their events with both official clients", { timeout: 300_000 }, async () => {
  observeFlows();
  const flow = closed(scriptedFlow().run());
  const url = await serve(aguiHandler(flow, { caller: () => ({}), steps: true, events: true }));
  const ends = new Ends();
  await fc.assert(
    fc.asyncProperty(flowScript, async (script) => {
      const all = await Promise.all(
        CLIENTS.map(async (client) => await endsOf(client, url, script, { hasNestedSteps: false })),
      );
      for (const one of all) expect(flowEnds(script)).toContain(ends.add(one));
    }),
    { numRuns: RUNS, seed: 17 },
  );
  expect(ends.all).toEqual(["CANCELLED", "NODE_EXCEPTION", "cancelled", "left", "resumed", "success"]);
});

/** The ends that a script may have. */
function planEnds({ steps, leaves }: PlanScript): string[] {
  const fails = steps.some(({ isFailed }) => isFailed);
  return [...(fails ? ["MODEL_FAILED"] : ["success"]), ...(leaves === undefined ? [] : ["left"])];
}

test("random planners keep the order of their events with both official clients", { timeout: 300_000 }, async () => {
  const planner = closed(scriptedPlanner().start());
  const url = await serve(aguiHandler(planner, { caller: () => ({ user: "ann" }) }));
  const ends = new Ends();
  await fc.assert(
    fc.asyncProperty(planScript, async (script) => {
      const all = await Promise.all(CLIENTS.map(async (client) => await endsOf(client, url, script)));
      for (const one of all) expect(planEnds(script)).toContain(ends.add(one));
    }),
    { numRuns: RUNS, seed: 17 },
  );
  expect(ends.all).toEqual(["MODEL_FAILED", "left", "resumed", "success"]);
});
