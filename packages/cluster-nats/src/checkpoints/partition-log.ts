import { setTimeout as sleep } from "node:timers/promises";
import { nuid } from "@nats-io/transport-node";
import type { Broker, Stored } from "../broker.ts";
import { readParts, storeParts } from "../parts.ts";
import { type Line, readLine } from "./changes.ts";
import type { Head } from "./nats-partition.ts";
import { type Dropped, PartitionState } from "./partition-state.ts";

/** The first line of a record; its changes follow. */
interface Written extends Head {
  /** Sequence of the record before it; 0 for none. */
  readonly previous: number;
  /** Name and number of the parts that hold its changes. */
  readonly parts?: readonly [name: string, count: number];
}

/** The last record of a log. */
interface LastRecord {
  readonly head: Head;
  readonly sequence: number;
  /** Epoch milliseconds of the server at which it was stored. */
  readonly at: number;
}

const PAGE = 500;
const PAGE_BYTES = 8_388_608;
const LATE_MS = 20;

/** The log of one partition: the messages of one subject, and their parts on a side subject. */
export class PartitionLog {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #subject: string;
  readonly #parts: string;
  #dropping: Promise<void> | undefined;

  constructor(broker: Broker, stream: string, name: string, partition: string) {
    this.#broker = broker;
    this.#stream = stream;
    this.#subject = `${name}.checkpoint.${partition}`;
    this.#parts = `${name}.part.${partition}`;
  }

  /** Returns the last record, from the leader. */
  async last(): Promise<LastRecord | undefined> {
    const last = await this.#broker.last(this.#stream, this.#subject);
    return last === undefined ? undefined : { head: headOf(last), sequence: last.sequence, at: last.at };
  }

  /** Returns whether there is a record after this one, by the leader. */
  async hasAfter(sequence: number): Promise<boolean> {
    return (await this.#broker.next(this.#stream, this.#subject, sequence + 1)) !== undefined;
  }

  /**
   * Stores a record after `previous`. Resolves with its sequence and the subject of its parts, if it has any; with
   * `undefined` when another is the last.
   */
  async append(
    head: Head,
    lines: readonly Line[],
    previous: number,
  ): Promise<{ readonly sequence: number; readonly parts: string | undefined } | undefined> {
    const written: Written = { ...head, previous };
    const whole = encode(written, lines);
    let body = whole;
    let parts: string | undefined;
    if (whole.length > this.#broker.bodyBytes) {
      const name = nuid.next();
      parts = `${this.#parts}.${name}`;
      const count = await storeParts(this.#broker, this.#stream, parts, whole);
      body = encode({ ...written, parts: [name, count] }, []);
    }
    const sequence = await this.#broker.publish(this.#stream, { subject: this.#subject, body, expected: previous });
    if (sequence !== undefined) return { sequence, parts };
    if (parts !== undefined) await this.#broker.purge(this.#stream, `${parts}.*`).catch(() => {});
    return undefined;
  }

  /** Reads all records up to one that is known to be there. Yields whenever it has got on, and returns what they hold. */
  async *read(until: number): AsyncGenerator<undefined, PartitionState> {
    for (;;) {
      const state = yield* this.#tryToRead(until);
      if (state !== undefined) {
        await this.#removeOrphans(state);
        return state;
      }
      await sleep(LATE_MS);
    }
  }

  /** Removes records that nothing depends on. What fails is done with the next ones. */
  drop({ before, parts }: Dropped): void {
    const earlier = this.#dropping;
    this.#dropping = (async () => {
      await earlier;
      // the records first: one without its parts could not be read
      await this.#broker.purge(this.#stream, this.#subject, before);
      for (const each of parts) await this.#broker.purge(this.#stream, `${each}.*`);
    })().catch(() => {});
  }

  /** Waits until records are removed. */
  async flush(): Promise<void> {
    await this.#dropping;
  }

  /**
   * Reads the log; `undefined` when it was cut meanwhile. A former owner may still remove records: each record names the
   * one before it, so none can be missed. A replica may lack the last ones: it is asked again.
   */
  async *#tryToRead(until: number): AsyncGenerator<undefined, PartitionState | undefined> {
    const state = new PartitionState();
    let last = 0;
    while (last < until) {
      const { found } = await this.#broker.range(this.#stream, {
        subject: this.#subject,
        from: last + 1,
        count: PAGE,
        bytes: PAGE_BYTES,
      });
      for (const stored of found) {
        if (stored.sequence > until) break;
        const [head, ...lines] = decode(stored.body);
        const { previous, parts } = JSON.parse(head!) as Written;
        if (last > 0 && previous !== last) return undefined;
        if (parts === undefined) state.apply(stored.sequence, lines.map(readLine), undefined);
        else {
          const [name, count] = parts;
          const whole = await readParts(this.#broker, this.#stream, `${this.#parts}.${name}`, count);
          if (whole === undefined) return undefined;
          state.apply(stored.sequence, decode(whole).slice(1).map(readLine), `${this.#parts}.${name}`);
        }
        last = stored.sequence;
      }
      if (last < until && found.length === 0) await sleep(LATE_MS);
      else yield;
    }
    return state;
  }

  /** Removes parts whose record was never stored. */
  async #removeOrphans(state: PartitionState): Promise<void> {
    const used = state.parts();
    const subjects = await this.#broker.subjects(this.#stream, `${this.#parts}.*.*`);
    const stored = new Set(subjects.map((subject) => subject.slice(0, subject.lastIndexOf("."))));
    for (const parts of stored) if (!used.has(parts)) await this.#broker.purge(this.#stream, `${parts}.*`);
  }
}

const encode = (written: Written, lines: readonly Line[]): Uint8Array =>
  new TextEncoder().encode([JSON.stringify(written), ...lines.map(({ text }) => text)].join("\n"));

const decode = (body: Uint8Array): string[] => new TextDecoder("utf-8", { ignoreBOM: true }).decode(body).split("\n");

function headOf({ body }: Stored): Head {
  const end = body.indexOf(10);
  return JSON.parse(new TextDecoder().decode(end < 0 ? body : body.subarray(0, end))) as Written;
}
