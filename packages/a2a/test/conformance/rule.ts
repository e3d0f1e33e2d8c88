import { type A2AServerOptions, A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { TestClock } from "penguiflow/testing";
import { onTestFinished, test, vi } from "vitest";
import { createFlow, options } from "../../../../examples/a2a-tck-agent/main.ts";
import { type Requirement, type RequirementId, REQUIREMENTS } from "./requirements.ts";
import type { Event, Task } from "./shapes.ts";
import { BINDINGS, type BindingName, type Json, WireClient } from "./wire-client.ts";

/** The agent of the compatibility kit, and somebody who calls it. */
export interface Talk {
  readonly wire: WireClient;
  readonly url: string;
  /** The clock of the agent's flow. */
  readonly clock: TestClock;
  readonly adapter: A2AServerAdapter;
  /** Somebody who calls with other headers, or over another binding. */
  readonly as: (headers: Readonly<Record<string, string>>, binding?: BindingName) => WireClient;
}

interface RuleOptions {
  /** What more of the rule is shown. */
  readonly detail?: string;
  /** What the agent is told. @defaultValue what the example tells it */
  readonly agent?: A2AServerOptions;
}

/**
 * States a requirement: the test has its id and its rule, and runs over the bindings that the table says. Each has an agent
 * of its own.
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
      // the SDK writes every refusal to the console
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

/** A message that has the agent do what the kit's scenario of this name says. */
export function say(scenario: string, message: Json = {}, configuration?: Json): Json {
  messages += 1;
  return {
    message: { role: "ROLE_USER", parts: [{ text: "Hello" }], messageId: `tck-${scenario}-${messages}`, ...message },
    ...(configuration === undefined ? {} : { configuration }),
  };
}

/** The task that an answer or event is. */
export function taskIn(event: Event | undefined): Task {
  if (event?.task === undefined) throw new Error(`This is no task: ${JSON.stringify(event)}`);
  return event.task;
}

/** A task that is over. */
export async function finished(wire: WireClient): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("complete-task")));
}

/** A task that waits for input. */
export async function waiting(wire: WireClient): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("input-required")));
}

/** Gives a task that waits the input that ends it. */
export async function answer(wire: WireClient, { id }: Task): Promise<Task> {
  return taskIn(await wire.ask("SendMessage", say("complete-task", { taskId: id })));
}
