import { type A2AServerOptions, A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { TestClock } from "penguiflow/testing";
import { onTestFinished, test, vi } from "vitest";
import { createFlow, options } from "../../../../examples/a2a-tck-agent/main.ts";
import { type Requirement, type RequirementId, REQUIREMENTS } from "./requirements.ts";
import type { Event, Task } from "./shapes.ts";
import { BINDINGS, type BindingName, type Json, WireClient } from "./wire-client.ts";

/** The agent of the compatibility kit, with a caller. */
export interface Talk {
  readonly wire: WireClient;
  readonly url: string;
  /** Clock of the agent's flow. */
  readonly clock: TestClock;
  readonly adapter: A2AServerAdapter;
  /** Creates a caller with other headers, or over another binding. */
  readonly as: (headers: Readonly<Record<string, string>>, binding?: BindingName) => WireClient;
}

interface RuleOptions {
  /** Part of the rule that the test shows. */
  readonly detail?: string;
  /** Options of the agent. @defaultValue those of the example */
  readonly agent?: A2AServerOptions;
}

/**
 * Declares a test of a requirement: it has the requirement's id and rule, and runs over the bindings of the table. Each
 * run has an agent of its own.
 */
export function rule(
  id: RequirementId,
  show: (talk: Talk) => Promise<void>,
  { detail, agent = options }: RuleOptions = {},
): void {
  const requirement: Requirement = REQUIREMENTS[id];
  const { at, rule: words } = requirement;
  const title = `${id} ${words}${detail === undefined ? "" : `: ${detail}`}`;
  const names = Object.keys(BINDINGS) as BindingName[];
  const bindings = at === "both" ? names : [at === "agent" ? "HTTP+JSON" : at];
  for (const binding of bindings)
    test(`${title}${at === "agent" ? "" : ` (${binding})`}`, async () => {
      // the SDK logs every refusal to the console
      const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
      onTestFinished(() => quiet.mockRestore());
      const clock = new TestClock();
      const adapter = new A2AServerAdapter(createFlow(clock), agent);
      const app = createA2AApp(adapter, { handleSignals: false, drainMs: 0 });
      onTestFinished(() => app.close());
      const url = await app.listen();
      const as: Talk["as"] = (headers, other = binding) => new WireClient(url, other, headers);
      await show({ wire: as({}), url, clock, adapter, as });
    });
}

let messages = 0;

/** Builds a message that selects a scenario of the kit. */
export function say(scenario: string, message: Json = {}, configuration?: Json): Json {
  messages += 1;
  return {
    message: { role: "ROLE_USER", parts: [{ text: "Hello" }], messageId: `tck-${scenario}-${messages}`, ...message },
    ...(configuration === undefined ? {} : { configuration }),
  };
}

/** Extracts the task of an answer or event. */
export function taskIn(event: Event | undefined): Task {
  if (event?.task === undefined) throw new Error(`This is no task: ${JSON.stringify(event)}`);
  return event.task;
}

/** Creates a finished task. */
export async function finished(wire: WireClient): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("complete-task")));
}

/** Creates a task that waits for input. */
export async function waiting(wire: WireClient): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("input-required")));
}

/** Answers a waiting task, which completes it. */
export async function answer(wire: WireClient, { id }: Task): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("complete-task", { taskId: id })));
}
