import type { Level, Role } from "./fragment.ts";

/** A text to keep. */
export interface NewFragment {
  /** At most 16 KiB. */
  readonly text: string;
  /** Texts of one conversation keep their order, and neighbours give each other context. @defaultValue none */
  readonly conversation?: string | undefined;
  /** @defaultValue `"private"` */
  readonly level?: Level | undefined;
  /** @defaultValue `"note"` */
  readonly role?: Role | undefined;
  /** The speaker or tool. A query that names it favours the fragment. @defaultValue none */
  readonly source?: string | undefined;
  /** Epoch milliseconds. @defaultValue now */
  readonly saidAt?: number | undefined;
  /** An own, older fragment that this one hides. @defaultValue none */
  readonly supersedes?: string | undefined;
}

/** Restrictions of what is found or listed. */
export interface FilterInput {
  readonly conversation?: string | undefined;
  readonly level?: Level | undefined;
  readonly owner?: string | undefined;
  /** Epoch milliseconds: said then or later. */
  readonly since?: number | undefined;
  /** Epoch milliseconds: said before. */
  readonly until?: number | undefined;
}

/** A query. */
export interface RetrieveQuery extends FilterInput {
  /** At most 4 KiB. */
  readonly query: string;
  /** Items of the answer, at most 50. @defaultValue 10 */
  readonly limit?: number | undefined;
  /** Tokens of the answer's texts, estimated. @defaultValue 2000 */
  readonly maxTokens?: number | undefined;
  /** Conversation in which is asked: a turn of it may confirm or correct what is recalled. @defaultValue none */
  readonly within?: string | undefined;
  /** Whether the answer lists all candidates with what became of them. @defaultValue false */
  readonly explain?: boolean | undefined;
}

/** A page of a list. */
export interface ListQuery extends FilterInput {
  /** `next` of the page before. @defaultValue the first page */
  readonly cursor?: string | undefined;
  /** At most 100. @defaultValue 50 */
  readonly limit?: number | undefined;
}

/** A page of events. */
export interface EventsQuery {
  /** Only facts about this fragment. @defaultValue all */
  readonly fragment?: string | undefined;
  readonly cursor?: string | undefined;
  /** At most 100. @defaultValue 50 */
  readonly limit?: number | undefined;
}

/** Feedback about one fragment, or what the user said about what was recalled in a conversation. */
export type FeedbackInput =
  | { readonly id: string; readonly helpful: boolean }
  | { readonly conversation: string; readonly text: string };

/** Items, and the cursor of the next page if there is one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | undefined;
}

/** Options of every request. */
export interface RequestOptions {
  /** Cancels the request. */
  readonly signal?: AbortSignal | undefined;
  /** Id of the trace. @defaultValue a new one */
  readonly traceId?: string | undefined;
  /** Milliseconds after which it is given up. @defaultValue 10000 */
  readonly timeoutMs?: number | undefined;
}

/** Options of a request that changes something. */
export interface WriteOptions extends RequestOptions {
  /** A repetition with the same key gets the first answer and changes nothing. @defaultValue none */
  readonly idempotencyKey?: string | undefined;
}
