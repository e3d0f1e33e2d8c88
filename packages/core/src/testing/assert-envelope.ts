import { Message } from "../message/message.ts";
import type { FlowNode } from "../graph/node.ts";
import { wrapHandler } from "../graph/node.ts";
import { create } from "../runtime/create.ts";
import type { Flow } from "../runtime/flow.ts";
import { runOne } from "./run-one.ts";

/** What {@link assertPreservesMessageEnvelope} runs the node with. */
export interface EnvelopeOptions<Input> {
  readonly message: Message<Input>;
  readonly resources?: unknown;
}

/**
 * Runs a node on a message and asserts that headers, trace id, deadline and meta come out as they went
 * in. A handler that makes a message of its own, instead of `message.with(…)` or a bare payload, fails.
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
        `Node "${node.name}" does not preserve the envelope: ${part} was ${show(message[part])} and became ${show(own[part])}; use message.with({ … }) or return a bare payload`,
      );
    }
    return result;
  } finally {
    restore();
  }
}

/** Whether two values have the same entries, however deep; instances of classes must be the very same. */
function isSame(before: unknown, after: unknown, seen = new Set<unknown>()): boolean {
  if (Object.is(before, after) || seen.has(before)) return true;
  if (!isPlain(before) || !isPlain(after) || Array.isArray(before) !== Array.isArray(after)) return false;
  seen.add(before);
  const keys = Object.keys(before);
  return (
    keys.length === Object.keys(after).length &&
    keys.every((key) => Object.hasOwn(after, key) && isSame(before[key], after[key], seen))
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as { readonly constructor?: { readonly name?: string } } | null;
  const name = prototype?.constructor?.name;
  return name === undefined || name === "Object" || name === "Array" || name === "CheckedHeaders";
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "a value that JSON cannot hold";
  }
}
