import type { FlowError } from "../../foundation/flow-error.ts";
import type { ModelRegistry } from "../../graph/model-registry.ts";
import type { Message } from "../../message/message.ts";
import type { EmitOptions } from "../../flow/call-options.ts";
import type { Flow } from "../../flow/flow.ts";
import type { FlowStats } from "../../engine/flow-stats.ts";
import { recordFlowEvents } from "./recorded-events.ts";

/** Options of {@link runOne}. */
export interface RunOneOptions<Entries extends string = string> extends Omit<EmitOptions<Entries>, "timeoutMs"> {
  readonly registry?: ModelRegistry;
  readonly resources?: unknown;
  /** Timeout of the run in milliseconds of real time. @defaultValue 5000 */
  readonly timeoutMs?: number;
}

/**
 * Runs one message through a flow and resolves with its first result. Starts the flow if it is not running, and stops
 * it afterwards. For tests; services start a flow once and use `flow.call`.
 *
 * @throws FlowError with which the trace ended when it did not complete
 * @throws Error after `timeoutMs`, listing the load of every node and edge
 */
export async function runOne<Input, Result, Resources, Entries extends string>(
  flow: Flow<Input, Result, Resources, Entries>,
  input: Input | Message<Input>,
  options: RunOneOptions<Entries> = {},
): Promise<Message<Result>> {
  const { registry, resources, timeoutMs = 5000, signal, ...emitOptions } = options;
  const wasRunning = flow.isRunning;
  if (!wasRunning) {
    flow.addMiddleware(recordFlowEvents);
    flow.run({ ...(registry === undefined ? {} : { registry }), resources } as never);
  }
  const gaveUp = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`runOne gave up after ${timeoutMs} ms\n${describeStats(flow.stats())}`));
      gaveUp.abort();
    }, timeoutMs);
  });
  try {
    const until = signal === undefined ? gaveUp.signal : AbortSignal.any([signal, gaveUp.signal]);
    const running = flow.outcome(input, { ...emitOptions, signal: until });
    const outcome = await Promise.race([running, timedOut]);
    await flow.flush();
    if (outcome.status !== "completed") throw outcome.error satisfies FlowError;
    return outcome.messages[0] as Message<Result>;
  } finally {
    clearTimeout(timer);
    // a flow with a frozen clock cannot end its grace period, which must not delay the diagnosis
    const stopped = wasRunning ? undefined : flow.stop();
    if (!gaveUp.signal.aborted) await stopped;
  }
}

/** Lists the load of every node and edge of a flow, one line each; idle ones are omitted. */
export function describeStats(stats: FlowStats): string {
  const nodes = stats.nodes.flatMap((node) => {
    const parts = [
      count(node.running, `of ${node.concurrency} running`),
      count(node.queued - node.limited, "queued"),
      count(node.limited, "waiting for the limiter"),
      count(node.blocked, "blocked"),
      count(node.parked, "waiting for the next attempt"),
      ...node.groups.map((group) => `a group of ${group.have} of ${group.want} messages`),
      count(node.lingering, "lingering"),
    ].filter((part) => part !== "");
    return parts.length === 0 ? [] : [`  node "${node.name}": ${parts.join(", ")}`];
  });
  const edges = stats.edges
    .filter((edge) => edge.size + edge.waiting > 0)
    .map(
      (edge) => `  edge "${edge.source}" → "${edge.target}": ${edge.size} of ${edge.capacity}, ${edge.waiting} waiting`,
    );
  const turns = stats.waitingTraces === 0 ? "" : `, ${stats.waitingTraces} of them waiting for their turn`;
  return [`traces in flight: ${stats.traces}${turns}, timers: ${stats.timers}`, ...nodes, ...edges].join("\n");
}

function count(number: number, what: string): string {
  return number === 0 ? "" : `${number} ${what}`;
}
