import { availableParallelism } from "node:os";
import { requireKnownKeys, shown } from "../foundation/options.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../foundation/schema.ts";
import type { Context } from "../graph/handler.ts";
import { FlowNode, type NodeClaims } from "../graph/node.ts";
import type { NodePolicy } from "../graph/node-policy.ts";
import { isThreadModule, type ResultOf, type RunnableOf, type TakenBy, type ThreadModule } from "./thread-module.ts";
import { runInPool, ThreadPool } from "./thread-pool.ts";

/** What a node that runs in threads is made from. */
export interface ThreadNodeOptions<Name extends string, Exports, Run extends keyof Exports, Input, Output> extends Pick<
  NodeClaims,
  "effects"
> {
  /** Unique in a flow. */
  readonly name: Name;
  /** Where the function is. */
  readonly module: ThreadModule<Exports>;
  /** The name of the exported function `(payload, thread) => result`. */
  readonly run: Run;
  /** Checked here, before the payload is sent to the thread. */
  readonly input?: Input;
  /** Checked here, when the result has come. */
  readonly output?: Output &
    (ResultOf<Exports, Run> extends SchemaInput<Output> ? unknown : Schema<ResultOf<Exports, Run>>);
  /** How it is run, as for any node; `concurrency` is the size of the pool unless you say otherwise. */
  readonly policy?: NodePolicy;
  /** Whose threads. @defaultValue `ThreadPool.shared` */
  readonly pool?: ThreadPool;
}

/**
 * Makes a node whose function runs in a worker thread, for work that would keep the event loop busy. Its payload and
 * its result are copied by structured clone: functions cannot cross, and instances of classes arrive as plain objects.
 * Timeout, cancel, deadline and stop end the work, if need be with its thread. A thread that ends by itself is replaced,
 * and its message retried by the node's policy.
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
      const { node, traceId, tenant, attempt, idempotencyKey, deadlineAt } = ctx;
      const facts = { node, traceId, tenant, attempt, idempotencyKey, deadlineAt };
      return runInPool(
        pool ?? ThreadPool.shared,
        { kind: "call", module: module.url, run, payload, facts },
        ctx.signal,
      );
    },
    input,
    output,
    policy: { concurrency: pool?.size ?? availableParallelism(), ...policy },
    effects,
    note: `thread: ${run}`,
  });
}
