import { type Message, Role } from "@a2a-js/sdk";
import { RequestMalformedError } from "@a2a-js/sdk/errors";
import { isNull } from "../wire.ts";
import { requireDepth } from "./request-shapes.ts";

const ROLES: ReadonlySet<Role> = new Set([Role.ROLE_USER, Role.ROLE_AGENT]);

/**
 * Rejects a message without its mandatory fields, of which the SDK checks the id only. Restores data that is `null`,
 * which the SDK drops.
 *
 * @throws RequestMalformedError that names what is missing
 */
export function requireMessage(message: Message | undefined): asserts message is Message {
  require(message !== undefined, "message", "is missing");
  requireDepth(message, "message");
  const { messageId, role, parts } = message;
  require(messageId !== "", "message.messageId", "is missing");
  require(ROLES.has(role), "message.role", 'must be "ROLE_USER" or "ROLE_AGENT"');
  require(parts.length > 0, "message.parts", "must have at least one part");
  for (const [index, part] of parts.entries()) {
    if (isNull(part.content, part.mediaType)) part.content = { $case: "data", value: null };
    const field = `message.parts[${index}]`;
    require(part.content !== undefined, field, 'must have one of "text", "raw", "url" and "data"');
  }
}

/**
 * Rejects an invalid length, which the SDK reads as 0.
 *
 * @throws RequestMalformedError when it is not a whole number of 0 or more
 */
export function requireHistoryLength(length: number | undefined): void {
  const isLength = length === undefined || (Number.isInteger(length) && length >= 0);
  require(isLength, "historyLength", `must be a whole number of 0 or more: got ${length}`);
}

function require(holds: boolean, field: string, problem: string): asserts holds {
  if (!holds) throw new RequestMalformedError(`Field "${field}" ${problem}`);
}
