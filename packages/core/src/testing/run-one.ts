import type { FlowError } from "../foundation/flow-error.ts";
import type { ModelRegistry } from "../graph/model-registry.ts";
import { Message } from "../message/message.ts";
import type { CompletedOutcome } from "../message/outcome.ts";
import type { EmitOptions, Flow, RunOptions } from "../runtime/flow.ts";
import type { FlowStats } from "../runtime/flow-stats.ts";
import { recordFlowEvents } from "./recorded-events.ts";

/** How {@link runOne} runs. */
export interface RunOneOptions<Entries extends string = string> extends Omit<EmitOptions<Entries>, "timeoutMs"> {
  readonly registry?: ModelRegistry;
  readonly resources?: unknown;
  /** Milliseconds of real time after which the run is given up. @defaultValue 5000 */
  readonly timeoutMs?: number;
}

const recordedFlows = new WeakSet<object>();

/**
 * Runs one message through a flow and resolves with its first result: starts the flow if it does not
 * run, and stops it again. For tests; services start a flow once and use `flow.call`.
 *
 * @throws FlowError the reason when the trace did not complete
 * @throws Error after `timeoutMs`, saying what every node and edge holds
 */
export async function runOne<Input, Result, Resources, Entries extends string>(
  flow: Flow<Input, Result, Resources, Entries>,
  input: Input | Message<Input>,
  options: RunOneOptions<Entries> = {},
): Promise<Message<Result>> {
  const { registry, resources, timeoutMs = 5000, ...emitOptions } = options;
  const wasRunning = flow.isRunning;
  if (!wasRunning) {
    if (!recordedFlows.has(flow)) flow.addMiddleware(recordFlowEvents);
    recordedFlows.add(flow);
    flow.run({ ...(registry === undefined ? {} : { registry }), resources } as RunOptions<Resources> &
      RunOptions<unknown> as never);
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const timedOut = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`runOne gave up after ${timeoutMs} ms\n${describeStats(flow.stats())}`)),
        timeoutMs,
      );
    });
    const outcome = await Promise.race([flow.outcome(input, emitOptions as EmitOptions<Entries>), timedOut]);
    await flow.flush();
    if (outcome.status !== "completed") throw outcome.error satisfies FlowError;
    return (outcome as CompletedOutcome<Result>).messages[0] as Message<Result>;
  } finally {
    clearTimeout(timer);
    if (!wasRunning) await flow.stop();
  }
}

/** What every node and edge of a flow holds, in lines; those that hold nothing are left out. */
export function describeStats(stats: FlowStats): string {
  const nodes = stats.nodes
    .filter((node) => node.queued + node.running + node.blocked + node.lingering > 0)
    .map(
      (node) =>
        `  node "${node.name}": ${node.running} of ${node.concurrency} running, ${node.queued} queued, ${node.blocked} blocked, ${node.lingering} lingering`,
    );
  const edges = stats.edges
    .filter((edge) => edge.size + edge.waiting > 0)
    .map(
      (edge) => `  edge "${edge.source}" → "${edge.target}": ${edge.size} of ${edge.capacity}, ${edge.waiting} waiting`,
    );
  return [`${stats.traces} traces under way, ${stats.timers} timers set`, ...nodes, ...edges].join("\n");
}
