import { setTimeout as sleep } from "node:timers/promises";
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type StoredMsg,
  type StreamInfo,
} from "@nats-io/jetstream";
import { createInbox, errors, headers, type MsgHdrs, type NatsConnection, nuid } from "@nats-io/transport-node";

/** Time after which a request is sent again. */
const ANSWER_MS = 2_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
const CLOCK_MS = 10_000;
const MARK = "Penguiflow-Mark";

/** Codes of the server: another message is the last of the subject; a publish to the subject is under way. */
const WRONG_LAST_SEQUENCE = 10_071;
const IN_PROCESS = 10_164;
/** Code for several reasons why a message cannot be stored, and the text of the one that does not pass. */
const NOT_STORED = 10_077;
const FULL = "maximum messages";
/** Code for a stream that cannot be created, such as while the files of another are being removed. */
const NOT_CREATED = 10_049;

/** A stored message. */
export interface Stored {
  readonly subject: string;
  readonly sequence: number;
  /** Epoch milliseconds of the server at which it was stored. */
  readonly at: number;
  readonly header: MsgHdrs;
  readonly body: Uint8Array;
}

/** A message to be stored. */
export interface Publication {
  readonly subject: string;
  readonly body: Uint8Array;
  /** Sequence that the last message of the subject must have; 0 for none. Any one when left out. */
  readonly expected?: number | undefined;
  /** Subject, with wildcards, whose last message `expected` is about. @defaultValue that of the message */
  readonly expectedOf?: string | undefined;
  /** Milliseconds after which the server removes it; seconds are its unit. @defaultValue never */
  readonly ttlMs?: number | undefined;
  readonly header?: Readonly<Record<string, string>> | undefined;
}

/** Selection of messages of one subject, which may have wildcards. */
export interface Range {
  readonly subject: string;
  /** First sequence. */
  readonly from: number;
  /** Maximum number of messages. */
  readonly count: number;
  /** Length of messages after which the server sends no further one. */
  readonly bytes: number;
}

/** Messages of one replica. */
export interface Found {
  readonly found: Stored[];
  /** Number of further ones that it has. */
  readonly left: number;
}

/**
 * Stores and reads messages of JetStream without consumers. Calls are sent again until they are answered or patience
 * is exhausted, so every call is idempotent.
 */
export class Broker {
  readonly connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #patienceMs: number;
  #clock: { readonly offsetMs: number; readonly at: number } | undefined;

  constructor(connection: NatsConnection, client: JetStreamClient, manager: JetStreamManager, patienceMs: number) {
    this.connection = connection;
    this.#client = client;
    this.#manager = manager;
    this.#patienceMs = patienceMs;
  }

  /** Maximum length of a body, with room for headers. */
  get bodyBytes(): number {
    return (this.connection.info?.max_payload ?? 1_048_576) - 4_096;
  }

  /**
   * Stores a message and resolves with its sequence; with `undefined` when the last message is not the expected one. A
   * message whose answer was lost is known by its mark, and not stored twice.
   */
  async publish(stream: string, publication: Publication): Promise<number | undefined> {
    const mark = nuid.next();
    const { subject, expected } = publication;
    return await this.patiently(async (isFirst) => {
      const stored = await this.#send(publication, mark);
      if (stored !== undefined || isFirst || expected === undefined || publication.expectedOf !== undefined)
        return stored;
      const last = await this.last(stream, subject);
      return last?.header.get(MARK) === mark ? last.sequence : undefined;
    });
  }

  /** Returns the last message of a subject, asked from the leader. */
  async last(stream: string, subject: string): Promise<Stored | undefined> {
    return await this.#fromLeader(stream, { last_by_subj: subject });
  }

  /** Returns the first message of a subject from a sequence on, asked from the leader. */
  async next(stream: string, subject: string, from: number): Promise<Stored | undefined> {
    return await this.#fromLeader(stream, { seq: from, next_by_subj: subject });
  }

  /** Returns messages in order, from any replica: it may lack recent ones. */
  async range(stream: string, { subject, from, count, bytes }: Range): Promise<Found> {
    const query = { seq: Math.max(1, from), batch: count, max_bytes: bytes, next_by_subj: subject };
    return await this.patiently(() => this.#direct(stream, query));
  }

  /** Returns the last messages of subjects, from any replica: it may lack recent ones. */
  async lastOf(stream: string, subjects: readonly string[]): Promise<Stored[]> {
    return await this.patiently(async () => (await this.#direct(stream, { multi_last: subjects })).found);
  }

  /** Returns the number of messages of a subject, as any replica has them. */
  async count(stream: string, subject: string): Promise<number> {
    const { found, left } = await this.range(stream, { subject, from: 1, count: 1, bytes: 1 });
    return found.length + left;
  }

  /** Returns the description of a stream. */
  async info(stream: string): Promise<StreamInfo> {
    return await this.patiently(() => this.#manager.streams.info(stream));
  }

  /** Removes the messages of a subject, which may have wildcards: all, or those before a sequence. */
  async purge(stream: string, subject: string, before?: number): Promise<void> {
    const range = before === undefined ? { filter: subject } : { filter: subject, seq: before };
    await this.patiently(() => this.#manager.streams.purge(stream, range));
  }

  /** Returns the subjects that have messages and fit one with wildcards. */
  async subjects(stream: string, filter: string): Promise<readonly string[]> {
    const info = await this.patiently(() => this.#manager.streams.info(stream, { subjects_filter: filter }));
    return Object.keys(info.state.subjects ?? {});
  }

  /**
   * Returns the server's clock in epoch milliseconds. The clock of this machine is taken for it where an answer of the
   * server does not contradict.
   */
  async now(stream: string, isFresh = false): Promise<number> {
    if (isFresh || this.#clock === undefined || performance.now() - this.#clock.at > CLOCK_MS) {
      let sentAt = 0;
      const { ts } = await this.patiently(async () => {
        sentAt = localNow();
        return await this.#manager.streams.info(stream);
      });
      const at = Date.parse(ts ?? "");
      const [least, most] = [at - localNow(), at - sentAt];
      this.#clock = { offsetMs: least > 0 ? least : Math.min(most, 0), at: performance.now() };
    }
    return localNow() + this.#clock.offsetMs;
  }

  /** Calls again after failures that pass, until patience is exhausted. */
  async patiently<Value>(call: (isFirst: boolean) => Promise<Value>): Promise<Value> {
    const end = performance.now() + this.#patienceMs;
    let isFirst = true;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await call(isFirst);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (performance.now() + pauseMs >= end)
          throw new Error(`Cannot reach NATS JetStream within ${this.#patienceMs} ms: ${reasonOf(error)}`, {
            cause: error,
          });
        // one that was surely not stored needs no look for its mark
        if (!(error instanceof InProcess)) isFirst = false;
        await sleep(pauseMs);
      }
    }
  }

  async #send({ subject, body, expected, expectedOf, ttlMs, header }: Publication, mark: string) {
    const sent = headers();
    sent.set(MARK, mark);
    if (header !== undefined) for (const [name, value] of Object.entries(header)) sent.set(name, value);
    try {
      const { seq } = await this.#client.publish(subject, body, {
        timeout: ANSWER_MS,
        headers: sent,
        ...(expected === undefined
          ? {}
          : {
              expect: {
                lastSubjectSequence: expected,
                ...(expectedOf === undefined ? {} : { lastSubjectSequenceSubject: expectedOf }),
              },
            }),
        ...(ttlMs === undefined ? {} : { ttl: `${Math.max(1, Math.ceil(ttlMs / 1_000))}s` }),
      });
      return seq;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      if (error.code === WRONG_LAST_SEQUENCE) return undefined;
      if (error.code === IN_PROCESS) throw new InProcess(error.message, { cause: error });
      throw error;
    }
  }

  async #fromLeader(
    stream: string,
    query: { last_by_subj: string } | { seq: number; next_by_subj: string },
  ): Promise<Stored | undefined> {
    const found = await this.patiently(() => this.#manager.streams.getMessage(stream, query));
    return found === null ? undefined : storedOf(found);
  }

  /** Asks any replica for messages. The client's own `getBatch` keeps a subscription for each call for ever. */
  async #direct(stream: string, query: object): Promise<Found> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const found: Stored[] = [];
    const inbox = createInbox();
    // each message gives the server another while to send the next
    let timer = setTimeout(late, ANSWER_MS);
    function late(): void {
      reject(new errors.TimeoutError());
    }
    const subscription = this.connection.subscribe(inbox, {
      callback: (error, message) => {
        clearTimeout(timer);
        timer = setTimeout(late, ANSWER_MS);
        if (error !== null) {
          reject(error);
          return;
        }
        const header = message.headers ?? headers();
        if (header.code === 0) {
          found.push({
            subject: header.get("Nats-Subject"),
            sequence: Number(header.get("Nats-Sequence")),
            at: Date.parse(header.get("Nats-Time-Stamp")),
            header,
            body: message.data,
          });
          return;
        }
        if (header.code === END_OF_BATCH) resolve({ found, left: Number(header.get("Nats-Num-Pending")) });
        else if (header.code === NOT_FOUND) resolve({ found, left: 0 });
        else reject(new DirectGetError(header.code, header.description));
      },
    });
    try {
      this.connection.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply: inbox });
      return await promise;
    } finally {
      clearTimeout(timer);
      subscription.unsubscribe();
    }
  }
}

const END_OF_BATCH = 204;
const NOT_FOUND = 404;
const UNAVAILABLE = 503;

/** Reports that another publish to the subject was not decided yet. */
class InProcess extends Error {}

class DirectGetError extends Error {
  readonly code: number;

  constructor(code: number, description: string) {
    super(`the server answers ${code} ${description}`);
    this.code = code;
  }
}

/** The clock of this machine, which no one sets back. */
function localNow(): number {
  return performance.timeOrigin + performance.now();
}

function storedOf({ subject, seq, time, header, data }: StoredMsg): Stored {
  return { subject, sequence: seq, at: time.getTime(), header, body: data };
}

/** Whether a request had no listener, which the client reports as JetStream that is not enabled. */
function isUnheard(error: unknown): boolean {
  const { cause } = error as { readonly cause?: unknown };
  return cause instanceof errors.RequestError && cause.isNoResponders();
}

/** Whether the same call may succeed later. */
function isPassing(error: unknown): boolean {
  if (error instanceof InProcess || error instanceof errors.TimeoutError) return true;
  // no listener: the stream of the subject has no leader at the time
  if (isUnheard(error) || error instanceof errors.NoRespondersError) return true;
  if (error instanceof errors.ConnectionError || error instanceof errors.RequestError) return true;
  if (error instanceof DirectGetError) return error.code === UNAVAILABLE;
  if (!(error instanceof JetStreamApiError)) return false;
  return error.code === NOT_CREATED || (error.status === UNAVAILABLE && !isFull(error));
}

/** Whether a message was refused because its stream has no room for it. */
export function isFull(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === NOT_STORED && error.message.includes(FULL);
}

/** Returns the reason of a failure in words that fit it. */
function reasonOf(error: unknown): string {
  if (isUnheard(error)) return "a stream has no leader, or is not there";
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}
