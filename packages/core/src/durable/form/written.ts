import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { checkedHeaders, type MessageHeaders } from "../../message/message.ts";
import type { FinalOutcome } from "../../message/outcome.ts";
import { fromPlain, toPlain, transientIn, unfitness } from "./codec.ts";
import { errorFrom, keptError } from "./kept-error.ts";
import { messageOf, type SavedMessage, savedMessage } from "./saved-message.ts";
import { outcomeFrom, type SavedOutcome, savedOutcome } from "./saved-outcome.ts";

/** Maximum length of the text of an error, in characters. */
const ERROR_BYTES = 65_536;

interface WrittenOutcome {
  readonly tenant: string;
  readonly traceId: string;
  readonly saved: SavedOutcome;
  readonly headers: MessageHeaders;
  readonly messages: readonly SavedMessage[];
}

/**
 * Writes a value as JSON text, in the form that checkpoints have. A `Transient` is written without its value.
 *
 * @param name - of the value, at the start of paths: `payload`
 * @param maxBytes - maximum length of the text, roughly and in characters
 * @throws FlowError `NOT_SERIALISABLE` with the path of the part that is no data, `PAYLOAD_TOO_LARGE`
 */
export function writeValue(value: unknown, name: string, maxBytes: number): string {
  return JSON.stringify(plainOf(value, name, maxBytes));
}

/**
 * Writes the input of a flow in another process, as {@link writeValue} does.
 *
 * @throws FlowError `NOT_SERIALISABLE` also when a part of it is a `Transient`, which could never arrive
 */
export function writeInput(value: unknown, name: string, maxBytes: number): string {
  const plain = plainOf(value, name, maxBytes);
  const path = transientIn(plain, name);
  if (path === undefined) return JSON.stringify(plain);
  const message = `Cannot send ${path}: it is transient and stays in its process; send a reference`;
  throw new FlowError({ code: FlowErrorCode.NOT_SERIALISABLE, message, details: { path } });
}

function plainOf(value: unknown, name: string, maxBytes: number): unknown {
  const unfit = unfitness(value, name, maxBytes);
  if (unfit === undefined) return toPlain(value);
  const { code, path, problem } = unfit;
  throw new FlowError({ code, message: `Cannot send ${path}: it is ${problem}`, details: { path } });
}

/** Restores a value that {@link writeValue} or {@link writeInput} has written. */
export function readValue(text: string): unknown {
  return fromPlain(JSON.parse(text));
}

/**
 * Writes an outcome of a durable run as JSON text. Its log is left out.
 *
 * @throws TypeError when a result was made unfit after it was sent
 */
export function writeOutcome(outcome: FinalOutcome): string {
  const { tenant, traceId, messages } = outcome;
  const written: WrittenOutcome = {
    tenant,
    traceId,
    saved: savedOutcome(outcome, (error) => keptError(error, ERROR_BYTES)),
    headers: { tenant },
    messages: messages.map(savedMessage),
  };
  return JSON.stringify(written);
}

/** Restores an outcome that {@link writeOutcome} has written. */
export function readOutcome(text: string): FinalOutcome {
  const { tenant, traceId, saved, headers, messages } = JSON.parse(text) as WrittenOutcome;
  const common = checkedHeaders(headers);
  const restored = messages.map((message) => messageOf({ id: traceId }, common, message, undefined));
  return outcomeFrom(saved, { tenant, traceId }, restored);
}

/** Writes an error as JSON text, with its causes. Long texts are cut. */
export function writeError(error: unknown): string {
  return JSON.stringify(keptError(error, ERROR_BYTES));
}

/** Restores an error that {@link writeError} has written. */
export function readError(text: string): FlowError {
  return errorFrom(JSON.parse(text) as Parameters<typeof errorFrom>[0]);
}
