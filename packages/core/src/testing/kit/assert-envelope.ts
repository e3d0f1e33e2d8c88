import { Message } from "../../message/message.ts";
import type { FlowNode } from "../../graph/node.ts";
import { wrapHandler } from "../../graph/node.ts";
import { create } from "../../flow/create.ts";
import type { Flow } from "../../flow/flow.ts";
import { runOne } from "./run-one.ts";
import { isSame, written } from "./same-value.ts";

/** Context options for {@link assertPreservesMessageEnvelope}. */
export interface EnvelopeOptions<Input> {
  readonly message: Message<Input>;
  readonly resources?: unknown;
}

/**
 * Runs a node on a message and asserts that headers, trace id, deadline and meta are unchanged in its output. A handler
 * that creates a message of its own, instead of `message.with(…)` or a bare payload, fails.
 *
 * @returns the node's result
 * @throws Error that names the part that changed
 */
export async function assertPreservesMessageEnvelope<Input, Output, Resources>(
  node: FlowNode<string, Input, Output, Resources>,
  options: EnvelopeOptions<Input>,
): Promise<Message<Output>> {
  const { message, resources } = options;
  let returned: unknown;
  const restore = wrapHandler(node, async (_input, _ctx, call) => {
    returned = await call();
    return returned;
  });
  const flow = create(node.to()) as unknown as Flow<Input, Output>;
  try {
    const result = await runOne(flow, message, { resources });
    const own = returned instanceof Message ? returned : result;
    for (const part of ["traceId", "headers", "deadlineAt", "meta"] as const) {
      if (isSame(message[part], own[part])) continue;
      throw new Error(
        `Node "${node.name}" does not preserve the envelope: ${part} was ${written(message[part])} and became ${written(own[part])}; use message.with({ … }) or return a bare payload`,
      );
    }
    return result;
  } finally {
    restore();
  }
}
