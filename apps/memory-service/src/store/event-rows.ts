import { MEMORY_EVENT_TYPES, type MemoryEventType } from "../event-type.ts";
import type { MemoryEvent } from "../fragment.ts";
import { maybeText, number, oneOf, text } from "./columns.ts";
import { allOf, among, type Clause, type Sql, type SqlRow } from "./sql.ts";

/** A fact to be logged. It never holds text of a fragment or query. */
export interface NewEvent {
  readonly type: MemoryEventType;
  /** The fragment's sequence number; absent when it is gone. */
  readonly seq?: number | undefined;
  /** Owner of the fragment. */
  readonly owner: string;
  readonly actor: string;
  readonly at: number;
  readonly traceId: string;
  /** Salted digest of the conversation in which it happened. */
  readonly conversationKey?: string | undefined;
  readonly detail?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** A page of the log, and where the next one begins. */
export interface EventPage {
  readonly events: readonly MemoryEvent[];
  readonly next: number | undefined;
}

/** Appends to and reads the event log of a tenant. */
export class EventRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Appends a fact. */
  async add({ type, seq, owner, actor, at, traceId, conversationKey, detail = {} }: NewEvent): Promise<void> {
    await this.#sql.run(
      `insert into memory_event (fragment_seq, owner, actor, at, trace_id, type, conversation_key, detail)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      [seq ?? null, owner, actor, at, traceId, type, conversationKey ?? null, JSON.stringify(detail)],
    );
  }

  /** Appends one fact about each of some fragments, in their order. */
  async addEach(
    seqs: readonly number[],
    { type, actor, at, traceId, conversationKey }: Omit<NewEvent, "seq" | "owner" | "detail">,
  ): Promise<void> {
    if (seqs.length === 0) return;
    const about = among("f.seq", seqs);
    await this.#sql.run(
      `insert into memory_event (fragment_seq, owner, actor, at, trace_id, type, conversation_key, detail)
       select f.seq, f.user_id, cast(? as text), cast(? as bigint), cast(? as text), cast(? as text), cast(? as text), '{}'
       from fragment f where ${about.text} order by f.seq`,
      [actor, at, traceId, type, conversationKey ?? null, ...about.values],
    );
  }

  /** Returns facts about an owner's fragments, newest first, before position `before`. */
  async ofOwner(
    owner: string,
    { fragment, before, limit }: { fragment?: string | undefined; before?: number | undefined; limit: number },
  ): Promise<EventPage> {
    const clauses: Clause[] = [{ text: "e.owner = ?", values: [owner] }];
    if (fragment !== undefined) clauses.push({ text: "f.id = ?", values: [fragment] });
    if (before !== undefined) clauses.push({ text: "e.seq < ?", values: [before] });
    const where = allOf(clauses);
    const rows = await this.#sql.all(
      `select e.seq, e.at, e.type, e.actor, e.trace_id, e.detail, f.id as fragment_id
       from memory_event e left join fragment f on f.seq = e.fragment_seq
       where ${where.text} order by e.seq desc limit ${limit + 1}`,
      where.values,
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      events: page.map(eventOf),
      next: rows.length > limit && last !== undefined ? number(last, "seq") : undefined,
    };
  }

  /** Returns the ids of an owner's fragments that the actor recalled in a conversation since an instant, latest first. */
  async recalledIn(owner: string, conversationKey: string, since: number, limit: number): Promise<string[]> {
    const rows = await this.#sql.all(
      `select f.id, max(e.seq) as last from memory_event e join fragment f on f.seq = e.fragment_seq
       where e.owner = ? and e.actor = ? and e.conversation_key = ? and e.at >= ?
       and e.type in ('recalled', 'auto_recalled') group by f.id order by last desc limit ${limit}`,
      [owner, owner, conversationKey, since],
    );
    return rows.map((row) => text(row, "id"));
  }

  /** Removes the facts about a fragment that is to be erased. */
  async forget(seq: number): Promise<void> {
    await this.#sql.run("delete from memory_event where fragment_seq = ?", [seq]);
  }
}

function eventOf(row: SqlRow): MemoryEvent {
  return {
    at: number(row, "at"),
    type: oneOf(row, "type", MEMORY_EVENT_TYPES),
    fragment: maybeText(row, "fragment_id"),
    actor: text(row, "actor"),
    traceId: text(row, "trace_id"),
    detail: detailOf(JSON.parse(text(row, "detail"))),
  };
}

function detailOf(value: unknown): Record<string, string | number | boolean> {
  if (typeof value !== "object" || value === null) return {};
  const isPlain = (entry: [string, unknown]): entry is [string, string | number | boolean] =>
    ["string", "number", "boolean"].includes(typeof entry[1]);
  return Object.fromEntries(Object.entries(value).filter(isPlain));
}
