// Entry point of a worker thread: receives one call at a time, imports the module and answers with the function's
// result.
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { describeThrown } from "../foundation/flow-error.ts";
import { findUncloneable, isCloneable } from "./find-uncloneable.ts";
import { packThrown, unpackThrown } from "./packed-thrown.ts";
import type { ThreadContext } from "./thread-context.ts";
import type { TaskAnswer, TaskCall, TaskStop } from "./thread-messages.ts";

const port = workerData as MessagePort;
/** Aborts the call in progress. */
let stopping: AbortController | undefined;

port.on("message", (message: TaskCall | TaskStop) => {
  if (message.kind === "stop") stop(message);
  else void perform(message);
});
port.on("messageerror", (error) => answer({ kind: "threw", thrown: packThrown(error) }, []));

const stop = ({ reason }: TaskStop): void => stopping?.abort(unpackThrown(reason));

async function perform(call: TaskCall): Promise<void> {
  stopping = new AbortController();
  const parts: object[] = [];
  const context: ThreadContext = {
    ...call.facts,
    signal: watchful(stopping),
    transfer: (...more) => void parts.push(...more),
  };
  const outcome = await outcomeOf(call, context);
  stopping = undefined;
  answer(outcome, parts);
}

/**
 * Creates the signal of a call. A synchronous loop receives no events, so reading `aborted` polls for messages first.
 */
function watchful(controller: AbortController): AbortSignal {
  const { signal } = controller;
  const isAborted = () => Reflect.get(AbortSignal.prototype, "aborted", signal);
  const look = () => {
    // during a call, the only possible message is the request to stop it
    const news = stopping === controller && !isAborted() ? receiveMessageOnPort(port) : undefined;
    if (news !== undefined) stop(news.message as TaskStop);
    return isAborted();
  };
  return Object.defineProperties(signal, {
    aborted: { get: look },
    throwIfAborted: {
      value: () => {
        if (look()) throw signal.reason;
      },
    },
  });
}

async function outcomeOf(call: TaskCall, context: ThreadContext): Promise<TaskAnswer> {
  let exported: Record<string, unknown>;
  try {
    exported = (await import(call.module)) as Record<string, unknown>;
  } catch (error) {
    return { kind: "unavailable", problem: `"${call.module}" cannot be imported`, thrown: packThrown(error) };
  }
  const run = exported[call.run];
  if (!isFunction(run)) {
    const known = Object.keys(exported).filter((name) => isFunction(exported[name]));
    const list = known.map((name) => `"${name}"`).join(", ") || "none";
    return { kind: "unavailable", problem: `"${call.module}" has no function of that name; its functions are ${list}` };
  }
  try {
    return { kind: "returned", value: await run(call.payload, context) };
  } catch (error) {
    return { kind: "threw", thrown: packThrown(error) };
  }
}

const isFunction = (value: unknown): value is (payload: unknown, thread: ThreadContext) => unknown =>
  typeof value === "function";

function answer(message: TaskAnswer, parts: readonly object[]): void {
  try {
    port.postMessage(message, message.kind === "returned" ? (parts as ArrayBuffer[]) : []);
  } catch (error) {
    const value = message.kind === "returned" ? message.value : undefined;
    const part = isCloneable(value)
      ? { path: "thread.transfer", found: `given a value that cannot be transferred: ${describeThrown(error)}` }
      : findUncloneable(value, "result");
    port.postMessage({ kind: "unsendable", part } satisfies TaskAnswer);
  }
}
