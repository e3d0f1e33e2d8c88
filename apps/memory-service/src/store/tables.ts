import { MEMORY_EVENT_TYPES } from "../event-type.ts";
import { LEVELS, ROLES } from "../fragment.ts";
import { JOB_STATES } from "./job-rows.ts";

/** Returns the words of a CHECK constraint. */
function quotedList(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(", ");
}

/** Constraints that every database has, made from the lists of the code. */
const CHECKS = {
  text: "length(text) between 1 and 16384",
  role: `role in (${quotedList(ROLES)})`,
  level: `level in (${quotedList(LEVELS)})`,
  strength: "strength between 0 and 1",
  jobState: `state in (${quotedList(JOB_STATES)})`,
  eventType: `type in (${quotedList(MEMORY_EVENT_TYPES)})`,
} as const;

/** Names of the column types of a database. */
export interface ColumnTypes {
  readonly integer: "integer" | "bigint";
  readonly real: "real" | "double precision";
  readonly bytes: "blob" | "bytea";
}

/**
 * Returns the columns that each table of a tenant has in every database. A database adds keys, constraints and indexes, and
 * `seq` or `id` where it numbers the rows.
 */
export function columnsOf({ integer, real, bytes }: ColumnTypes) {
  return {
    fragment: `
  id text not null,
  user_id text not null,
  conversation text,
  position ${integer},
  text text not null check (${CHECKS.text}),
  context text not null default '',
  role text not null check (${CHECKS.role}),
  source text,
  hash text not null,
  level text not null check (${CHECKS.level}),
  grant_key text not null default '',
  said_at ${integer} not null,
  created_at ${integer} not null,
  superseded_by ${integer},
  request_key text,
  version ${integer} not null default 1,
  strength ${real} not null default 0 check (${CHECKS.strength}),
  reinforced_at ${integer},
  recalled_at ${integer}`,
    embedding: `
  seq ${integer} not null,
  model text not null,
  version ${integer} not null,
  vector ${bytes} not null`,
    embeddingJob: `
  seq ${integer} not null,
  model text not null,
  version ${integer} not null,
  state text not null default 'waiting' check (${CHECKS.jobState}),
  attempts ${integer} not null default 0,
  due_at ${integer} not null,
  lease_until ${integer},
  error text`,
    shareGrant: `
  seq ${integer} not null,
  grantee_tenant text not null,
  grantee_user text not null,
  created_at ${integer} not null,
  expires_at ${integer}`,
    memoryEvent: `
  fragment_seq ${integer},
  owner text not null,
  actor text not null,
  at ${integer} not null,
  trace_id text not null,
  type text not null check (${CHECKS.eventType}),
  conversation_key text,
  detail text not null`,
    request: `
  key_hash text not null,
  user_id text not null,
  body_hash text,
  answer text not null,
  at ${integer} not null`,
    setting: `
  name text not null,
  value text not null`,
  };
}
