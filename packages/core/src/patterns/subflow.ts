import type { Context, Playbook, PlaybookFlow, PlaybookOptions } from "../graph/handler.ts";
import { FlowNode } from "../graph/node.ts";
import type { NodePolicy } from "../graph/node-policy.ts";
import type { Message } from "../message/message.ts";

/** Options of {@link flowNode}. */
export interface FlowNodeOptions {
  readonly policy?: NodePolicy;
}

/**
 * Creates a node that runs a whole flow. Trace id, headers, deadline, budgets, cancellation and observers are
 * inherited. The flow's first result becomes the node's output, its failure the node's.
 */
export function flowNode<const Name extends string, Input, Result>(
  name: Name,
  flow: PlaybookFlow<Input, Result>,
  options: FlowNodeOptions = {},
): FlowNode<Name, Input, Result> {
  const handler = (message: Message<never>, ctx: Context<never>): Promise<unknown> => ctx.callPlaybook(flow, message);
  return new FlowNode({
    name,
    kind: "subflow",
    style: "message",
    handler,
    policy: { validate: "none", ...options.policy },
    inner: (flow as { graph?: unknown }).graph,
  });
}

/**
 * Runs another flow from within a handler; equivalent to `ctx.callPlaybook(playbook, message, options)`.
 *
 * @throws FlowError with which the playbook ended
 */
export function callPlaybook<Input, Result>(
  ctx: Pick<Context<never>, "callPlaybook">,
  playbook: Playbook<Input, Result>,
  message?: Input | Message<Input>,
  options?: PlaybookOptions,
): Promise<Result> {
  return ctx.callPlaybook(playbook, message, options);
}
