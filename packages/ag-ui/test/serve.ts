import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AguiHandler, nodeListener } from "@penguiflow/ag-ui";
import { type AGUIEvent, type Message, type RunAgentInput, EventType } from "@ag-ui/core";
import { afterEach } from "vitest";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Has something closed after the test, in reverse order of the calls. */
export function closed<One extends AsyncDisposable>(one: One): One {
  closing.push(async () => await one[Symbol.asyncDispose]());
  return one;
}

/** Serves a handler on loopback until the test is over, and returns its address. */
export async function serve(handler: AguiHandler): Promise<string> {
  const server = createServer(nodeListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

let runs = 0;

/** Makes the input of a run: a user's message, unless other messages are given. */
export function runInput(text: string, change: Partial<RunAgentInput> = {}): RunAgentInput {
  runs += 1;
  const messages: Message[] = [{ id: `user-${runs}`, role: "user", content: text }];
  const base = { threadId: "t-1", runId: `r-${runs}`, protocolVersion: "1.0", state: {}, tools: [], context: [] };
  return { ...base, messages, forwardedProps: {}, ...change };
}

/** Posts a body as an AG-UI client does. */
export async function post(url: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  const headers = { "content-type": "application/json", accept: "text/event-stream" };
  return await fetch(url, { method: "POST", headers, body: JSON.stringify(body), ...init });
}

/** Runs an input and returns its events. */
export async function events(url: string, input: RunAgentInput): Promise<AGUIEvent[]> {
  const response = await post(url, input);
  return eventsIn(await response.text());
}

/** Parses the text of a stream. */
export function eventsIn(text: string): AGUIEvent[] {
  const frames = text.split("\n\n").filter((frame) => frame.startsWith("data: "));
  return frames.map((frame) => JSON.parse(frame.slice(6)) as AGUIEvent);
}

/** Types of events, in order. */
export function typesOf(all: readonly AGUIEvent[]): string[] {
  return all.map(({ type }) => type);
}

/** The interrupts that a run ended with. */
export function interruptsOf(all: readonly AGUIEvent[]) {
  const last = all.at(-1);
  return last?.type === EventType.RUN_FINISHED && last.outcome?.type === "interrupt" ? last.outcome.interrupts : [];
}

/** Text of the assistant's messages that the events make. */
export function textOf(all: readonly AGUIEvent[]): string {
  return all.map((event) => (event.type === EventType.TEXT_MESSAGE_CONTENT ? event.delta : "")).join("");
}
