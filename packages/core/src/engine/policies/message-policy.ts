import { describeThrown, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { SomeNode } from "../../graph/graph.ts";
import { resolveForMessage, type ResolvedPolicy } from "../../graph/node-policy.ts";
import type { Message } from "../../message/message.ts";

/**
 * Returns the policy of a message at a node whose policy depends on it.
 *
 * @throws FlowError `POLICY_FAILED` when the policy's function throws or returns an unusable policy
 */
export function policyOfMessage({ name, policy }: SomeNode, message: Message): ResolvedPolicy {
  try {
    return resolveForMessage(name, policy, message);
  } catch (cause) {
    throw new FlowError({
      code: FlowErrorCode.POLICY_FAILED,
      message: `Cannot handle a message at node "${name}": its policy function failed: ${describeThrown(cause)}`,
      node: name,
      cause,
    });
  }
}
