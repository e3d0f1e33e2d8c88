import { type AGUIEvent, EventType, type Interrupt, type ResumeEntry } from "@ag-ui/core";
import { HttpAgent } from "@ag-ui/client";
import { aguiHandler } from "@penguiflow/ag-ui";
import { HttpAgent as EarlierAgent } from "ag-ui-client-v0";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { requireOrder } from "./order.ts";
import { flowScript, planScript, scriptedFlow, scriptedPlanner } from "./random-agents.ts";
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
  readonly interrupts: readonly Interrupt[];
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
    return { wire: eventsIn(this.#wire), events, interrupts: this.#agent.pendingInterrupts, error };
  }

  get texts(): string[] {
    return this.#agent.messages.filter(({ role }) => role === "assistant").map(({ content }) => String(content ?? ""));
  }
}

/** Requires that a client has seen what was sent, and has found nothing wrong with it. */
function requireSeen({ wire, events, error }: Seen): void {
  requireOrder(wire);
  expect(error).toBeUndefined();
  expect(events.map(({ type }) => type)).toEqual(wire.map(({ type }) => type));
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
async function talkThrough(client: Client, url: string, script: { readonly leaves: number | undefined }) {
  const talk = new Talk(client, url);
  talk.say(JSON.stringify(script));
  let seen = await talk.run(script.leaves);
  const ends: (string | undefined)[] = [];
  for (let turn = 0; ; turn += 1) {
    const last = seen.wire.at(-1);
    if (last?.type !== EventType.RUN_FINISHED && last?.type !== EventType.RUN_ERROR) return { ends: ["left"], talk };
    if (script.leaves === undefined || turn > 0) requireSeen(seen);
    else requireOrder(seen.wire);
    ends.push(last.type === EventType.RUN_ERROR ? last.code : last.outcome?.type);
    if (last.type !== EventType.RUN_FINISHED || last.outcome?.type !== "interrupt") return { ends, talk };
    seen = await talk.run(undefined, answers(last.outcome.interrupts, turn));
  }
}

const RUNS = 250;

test("random flows keep the order of their events with both official clients", { timeout: 300_000 }, async () => {
  const flow = closed(scriptedFlow().run());
  const url = await serve(aguiHandler(flow, { caller: () => ({}) }));
  const ended = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(flowScript, async (script) => {
      const all = await Promise.all(CLIENTS.map(async (client) => await talkThrough(client, url, script)));
      const acts = new Set([...script.left, ...script.right].map(({ act }) => act));
      for (const { ends } of all) {
        const end = ends.at(-1) ?? "none";
        ended.set(end, (ended.get(end) ?? 0) + 1);
        if (ends.length > 1) ended.set("resumed", (ended.get("resumed") ?? 0) + 1);
        if (end === "left") continue;
        if (!acts.has("fail") && !acts.has("cancel")) expect(end).toBe("success");
        if (end === "NODE_EXCEPTION") expect(acts).toContain("fail");
        if (end === "cancelled" || end === "CANCELLED") expect(acts).toContain("cancel");
      }
    }),
    { numRuns: RUNS, seed: 17 },
  );
  expect([...ended.keys()].toSorted()).toEqual([
    ...["CANCELLED", "NODE_EXCEPTION", "cancelled", "left", "resumed", "success"],
  ]);
  expect((await flow.pauses.list({})).length).toBeLessThan(RUNS);
});

test("random planners keep the order of their events with both official clients", { timeout: 300_000 }, async () => {
  const planner = closed(scriptedPlanner().start());
  const url = await serve(aguiHandler(planner, { caller: () => ({ user: "ann" }) }));
  const ended = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(planScript, async (script) => {
      const all = await Promise.all(CLIENTS.map(async (client) => await talkThrough(client, url, script)));
      for (const { ends } of all) {
        const end = ends.at(-1) ?? "none";
        ended.set(end, (ended.get(end) ?? 0) + 1);
        if (ends.length > 1) ended.set("resumed", (ended.get("resumed") ?? 0) + 1);
        if (end === "MODEL_FAILED") expect(script.steps.some(({ isFailed }) => isFailed)).toBe(true);
      }
    }),
    { numRuns: RUNS, seed: 17 },
  );
  expect([...ended.keys()].toSorted()).toEqual(["MODEL_FAILED", "left", "resumed", "success"]);
});
