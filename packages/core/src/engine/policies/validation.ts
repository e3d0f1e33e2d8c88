import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { formatIssues, issuePath, type Schema, type SchemaResult } from "../../foundation/schema.ts";
import { carry, Message } from "../../message/message.ts";

/**
 * Validates a message's payload and returns the message with the parsed payload, as a promise if the schema is
 * asynchronous.
 */
export type CheckMessage = (message: Message) => Message | Promise<Message>;

/** Validates a handler's return value: a payload, a message or `undefined`. */
export type CheckValue = (value: unknown) => unknown;

/**
 * Makes a check of payloads against a schema. An invalid payload throws a FlowError with `code` that names the node,
 * the path and the problem. Its `details.issues` lists every issue.
 */
export function messageCheck(node: string, code: FlowErrorCode, schema: Schema<unknown, unknown>): CheckMessage {
  const parse = payloadCheck(node, code, schema);
  return (message) => {
    const parsed = parse(message.payload);
    if (parsed instanceof Promise) return parsed.then((payload) => withPayload(message, payload));
    return withPayload(message, parsed);
  };
}

/** Makes a {@link messageCheck} for a value that a handler sends, be it a payload or a message. */
export function valueCheck(node: string, schema: Schema<unknown, unknown>): CheckValue {
  const parse = payloadCheck(node, FlowErrorCode.OUTPUT_INVALID, schema);
  const checkMessage = messageCheck(node, FlowErrorCode.OUTPUT_INVALID, schema);
  return (value) => (value instanceof Message ? checkMessage(value) : parse(value));
}

function payloadCheck(
  node: string,
  code: FlowErrorCode,
  schema: Schema<unknown, unknown>,
): (payload: unknown) => unknown {
  const { validate } = schema["~standard"];
  const side = code === FlowErrorCode.INPUT_INVALID ? "input" : "output";
  const valueOf = (result: SchemaResult<unknown>): unknown => {
    if (result.issues === undefined) return result.value;
    throw new FlowError({
      code,
      message: `The ${side} of node "${node}" does not fit its schema: ${formatIssues(result.issues)}`,
      node,
      details: { issues: result.issues.map((issue) => ({ path: issuePath(issue), message: issue.message })) },
    });
  };
  return (payload) => {
    const result = validate(payload);
    return result instanceof Promise ? result.then(valueOf) : valueOf(result);
  };
}

function withPayload(message: Message, payload: unknown): Message {
  return payload === message.payload ? message : carry(message, payload);
}
