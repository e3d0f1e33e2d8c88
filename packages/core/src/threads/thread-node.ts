import { availableParallelism } from "node:os";
import { requireKnownKeys, shown } from "../foundation/options.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../foundation/schema.ts";
import type { Context } from "../graph/handler.ts";
import { FlowNode, type NodeClaims } from "../graph/node.ts";
import type { HandlerResult } from "../graph/handler.ts";
import { type Policy, policyObject } from "../graph/node-policy.ts";
import { isThreadModule, type ResultOf, type RunnableOf, type TakenBy, type ThreadModule } from "./thread-module.ts";
import { runInPool, ThreadPool } from "./thread-pool.ts";

/** Options of a node that runs in threads. */
export interface ThreadNodeOptions<Name extends string, Exports, Run extends keyof Exports, Input, Output> extends Pick<
  NodeClaims,
  "effects"
> {
  /** Name, unique in a flow. */
  readonly name: Name;
  /** The function's module. */
  readonly module: ThreadModule<Exports>;
  /** The name of the exported function `(payload, thread) => result`. */
  readonly run: Run;
  /** Input schema, checked in the flow's thread before the payload is sent. */
  readonly input?: Input;
  /** Output schema, checked in the flow's thread after the result has arrived. */
  readonly output?: Output &
    (ResultOf<Exports, Run> extends SchemaInput<Output> ? unknown : Schema<ResultOf<Exports, Run>>);
  /** Policy, as for any node; `concurrency` defaults to the size of the pool. */
  readonly policy?: Policy<
    Input extends Schema<unknown, unknown> ? SchemaInput<Input> : TakenBy<Exports, Run>,
    HandlerResult<Output extends Schema<unknown, unknown> ? SchemaInput<Output> : ResultOf<Exports, Run>>
  >;
  /** The pool that runs the node. @defaultValue `ThreadPool.shared` */
  readonly pool?: ThreadPool;
}

/**
 * Creates a node whose function runs in a worker thread, for work that would block the event loop. Payload and result
 * are copied by structured clone: functions cannot be sent, and class instances arrive as plain objects. Timeout,
 * cancel, deadline and shutdown end the work, if necessary together with its thread. A crashed thread is replaced, and
 * its message is retried under the node's policy.
 *
 * @example
 * ```ts
 * import type * as hashFile from "./hash-file.ts";
 *
 * const hashing = threadModule<typeof hashFile>(new URL("./hash-file.ts", import.meta.url));
 * const hash = threadNode({ name: "hash", module: hashing, run: "hashFile", policy: { timeoutMs: 5_000 } });
 * ```
 * @throws TypeError, RangeError when an option is unusable
 */
export function threadNode<
  const Name extends string,
  Exports,
  Run extends RunnableOf<Exports>,
  Input extends Schema<unknown, TakenBy<Exports, Run>> | undefined = undefined,
  Output extends Schema<unknown, unknown> | undefined = undefined,
>(
  options: ThreadNodeOptions<Name, Exports, Run, Input, Output>,
): FlowNode<
  Name,
  Input extends Schema<unknown, unknown> ? SchemaInput<Input> : TakenBy<Exports, Run>,
  Output extends Schema<unknown, unknown> ? SchemaOutput<Output> : ResultOf<Exports, Run>
> {
  if (typeof options !== "object" || options === null)
    throw new TypeError(`threadNode needs options { name, module, run, … }: got ${shown(options)}`);
  const { name, module, run, input, output, policy, pool, effects } = options;
  const of = `thread node ${shown(name)}`;
  requireKnownKeys(of, options, ["name", "module", "run", "input", "output", "policy", "pool", "effects"]);
  if (!isThreadModule(module))
    throw new TypeError(`Option "module" of ${of} must be made by threadModule: got ${shown(module)}`);
  if (typeof run !== "string" || run === "")
    throw new TypeError(`Option "run" of ${of} must be the name of an exported function: got ${shown(run)}`);
  if (pool !== undefined && !(pool instanceof ThreadPool))
    throw new TypeError(`Option "pool" of ${of} must be a ThreadPool: got ${shown(pool)}`);
  return new FlowNode({
    name,
    style: "payload",
    handler: (payload: unknown, ctx: Context) => {
      const { node, traceId, tenant, principal, attempt, idempotencyKey, deadlineAt } = ctx;
      const facts = { node, traceId, tenant, principal, attempt, idempotencyKey, deadlineAt };
      return runInPool(
        pool ?? ThreadPool.shared,
        { kind: "call", module: module.url, run, payload, facts },
        ctx.signal,
      );
    },
    input,
    output,
    policy: { concurrency: pool?.size ?? availableParallelism(), ...policyObject(policy) },
    effects,
    note: `thread: ${run}`,
  });
}
