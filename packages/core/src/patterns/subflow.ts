import type { Context, HandlerResult, Playbook, PlaybookFlow, PlaybookOptions } from "../graph/handler.ts";
import { FlowNode } from "../graph/node.ts";
import { type Policy, policyObject } from "../graph/node-policy.ts";
import type { Message } from "../message/message.ts";

/** Options of {@link flowNode}. */
export interface FlowNodeOptions<Input = unknown, Result = never> {
  readonly policy?: Policy<Input, HandlerResult<Result>>;
}

/**
 * Creates a node that runs a whole flow. Trace id, headers, deadline, budgets, cancellation and observers are
 * inherited. The flow's first result becomes the node's output, its failure the node's.
 */
export function flowNode<const Name extends string, Input, Result>(
  name: Name,
  flow: PlaybookFlow<Input, Result>,
  options: FlowNodeOptions<NoInfer<Input>, NoInfer<Result>> = {},
): FlowNode<Name, Input, Result> {
  const handler = (message: Message<never>, ctx: Context<never>): Promise<unknown> => ctx.callPlaybook(flow, message);
  return new FlowNode({
    name,
    kind: "subflow",
    style: "message",
    handler,
    policy: { validate: "none", ...policyObject(options.policy) },
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
