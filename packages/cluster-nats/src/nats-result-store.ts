import { nuid } from "@nats-io/transport-node";
import type { KeptResult, ResultKey, ResultRevision, ResultStore, StoredResult } from "penguiflow/adapter";
import type { Broker, Publication, Stored } from "./broker.ts";
import { token } from "./names.ts";
import { readParts, storeParts } from "./parts.ts";

const KIND = "Penguiflow-Kind";
const KEEP_MS = "Penguiflow-Keep-Ms";
const PARTS = "Penguiflow-Parts";
/** Time for which a removed result is remembered as such. */
const FORGOTTEN_MS = 1_000;
/** Subjects of one request: a server refuses more than 1024 messages. */
const AT_ONCE = 500;
const PARTS_LONGER_MS = 10_000;
const EMPTY = new Uint8Array();

/**
 * Keeps each result as the one message of its subject; its sequence is the revision. What replaces or removes it names
 * the sequence of what it replaces. The server removes it after its time, in whole seconds; readers go by milliseconds.
 */
export class NatsResultStore implements ResultStore {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #name: string;

  constructor(broker: Broker, stream: string, name: string) {
    this.#broker = broker;
    this.#stream = stream;
    this.#name = name;
  }

  async put(results: readonly StoredResult[]): Promise<readonly (number | "superseded")[]> {
    // results of one key go one after the other
    const previous = new Map<string, Promise<unknown>>();
    const answers = results.map((result) => {
      const subject = this.#subject(result.key);
      const before = previous.get(subject);
      const answer = before === undefined ? this.#put(subject, result) : before.then(() => this.#put(subject, result));
      previous.set(subject, answer);
      return answer;
    });
    return await Promise.all(answers);
  }

  async get(keys: readonly ResultKey[], read: "latest" | "eventual"): Promise<readonly (KeptResult | undefined)[]> {
    const subjects = keys.map((key) => this.#subject(key));
    const found = new Map<string, Stored>();
    for (let start = 0; start < subjects.length; start += AT_ONCE)
      for (const stored of await this.#broker.lastOf(this.#stream, subjects.slice(start, start + AT_ONCE)))
        found.set(stored.subject, stored);
    // a replica that lacks a result, or has one that may have been replaced, decides nothing
    if (read === "latest")
      await Promise.all(
        [...new Set(subjects)].map(async (subject) => {
          if (found.get(subject)?.header.get(KIND) === "final") return;
          const last = await this.#broker.last(this.#stream, subject);
          if (last === undefined) found.delete(subject);
          else found.set(subject, last);
        }),
      );
    const now = await this.#broker.now(this.#stream);
    return await Promise.all(keys.map((key, index) => this.#resultOf(key, found.get(subjects[index]!), now)));
  }

  async forget(results: readonly ResultRevision[]): Promise<void> {
    await Promise.all(
      results.map(async ({ key, revision }) => {
        await this.#broker.publish(this.#stream, {
          subject: this.#subject(key),
          body: EMPTY,
          expected: revision,
          ttlMs: FORGOTTEN_MS,
          header: { [KIND]: "none" },
        });
      }),
    );
  }

  async #put(subject: string, { isFinal, body, keepMs }: StoredResult): Promise<number | "superseded"> {
    const header = { [KIND]: isFinal ? "final" : "open", [KEEP_MS]: String(keepMs) };
    const isShort = body.length <= this.#broker.bodyBytes;
    const publication: Publication = isShort
      ? { subject, body, ttlMs: keepMs, header }
      : {
          subject,
          body: EMPTY,
          ttlMs: keepMs,
          header: { ...header, [PARTS]: await this.#storeParts(subject, body, keepMs) },
        };
    for (let expected = 0; ;) {
      const sequence = await this.#broker.publish(this.#stream, { ...publication, expected });
      if (sequence !== undefined) return sequence;
      const last = await this.#broker.last(this.#stream, subject);
      if (last?.header.get(KIND) === "final" && isLive(last, await this.#broker.now(this.#stream))) {
        const kept = isFinal ? await this.#bodyOf(last) : undefined;
        if (kept === undefined || Buffer.compare(kept, body) !== 0) return "superseded";
      }
      expected = last?.sequence ?? 0;
    }
  }

  async #resultOf(key: ResultKey, stored: Stored | undefined, now: number): Promise<KeptResult | undefined> {
    if (stored === undefined || !isLive(stored, now)) return undefined;
    const keepMs = stored.at + Number(stored.header.get(KEEP_MS)) - now;
    const body = await this.#bodyOf(stored);
    const [isFinal, revision] = [stored.header.get(KIND) === "final", stored.sequence];
    return body === undefined ? undefined : { key, isFinal, body, keepMs, revision };
  }

  /** Stores the parts of a long body, which the server removes with it. Returns what refers to them. */
  async #storeParts(subject: string, body: Uint8Array, keepMs: number): Promise<string> {
    const name = nuid.next();
    const prefix = `${this.#partsSubject(subject)}.${name}`;
    // they are there for as long as what refers to them
    const count = await storeParts(this.#broker, this.#stream, prefix, body, keepMs + PARTS_LONGER_MS);
    return `${name} ${count}`;
  }

  async #bodyOf({ subject, header, body }: Stored): Promise<Uint8Array | undefined> {
    const [name = "", count] = header.get(PARTS).split(" ");
    if (count === undefined) return body;
    const prefix = `${this.#partsSubject(subject)}.${name}`;
    return await readParts(this.#broker, this.#stream, prefix, Number(count));
  }

  #partsSubject(subject: string): string {
    return `${this.#name}.resultpart.${subject.slice(subject.lastIndexOf(".") + 1)}`;
  }

  #subject({ partition, tenant, id }: ResultKey): string {
    return `${this.#name}.result.${token(partition, tenant, id)}`;
  }
}

function isLive({ header, at }: Stored, now: number): boolean {
  return header.get(KIND) !== "none" && at + Number(header.get(KEEP_MS)) > now;
}
