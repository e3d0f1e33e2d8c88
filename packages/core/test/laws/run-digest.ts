import { createHash, type Hash } from "node:crypto";
import {
  type Flow,
  type FlowOptions,
  type FlowPauses,
  type CheckpointStore,
  type CheckpointBatch,
  Message,
} from "penguiflow";

type SomeFlow = Flow<unknown, unknown>;
type Observers = Pick<FlowOptions, "recorder" | "middlewares" | "stateStore" | "messageBus">;

/** The methods of a flow whose answers count. When one is renamed, rename it here; the digest stays the same. */
const ANSWERING: ReadonlySet<string | symbol> = new Set<keyof SomeFlow>([
  "call",
  "cancel",
  "emit",
  "emitNowait",
  "fetch",
  "flush",
  "outcome",
  "signal",
  "stop",
  "stream",
]);
/** The same of the group `pauses`. */
const ANSWERING_OF_PAUSES: ReadonlySet<string | symbol> = new Set<keyof FlowPauses<unknown>>(["list", "resume"]);

/**
 * Hashes everything that one run shows: records, events, data sent to the state store, the message bus and the
 * checkpoint store, and values returned to callers. Each of these is hashed in its own order, answers in the order of
 * the calls. Names of classes and files, stack traces and the order of an object's keys do not count. Observing does
 * not change the run.
 */
export class RunDigest {
  readonly #records = createHash("sha256");
  readonly #events = createHash("sha256");
  readonly #stored = createHash("sha256");
  readonly #published = createHash("sha256");
  readonly #checkpointed = createHash("sha256");
  /** Answers of each call of the flow so far. */
  readonly #answers: string[][] = [];

  /** Observes through the existing observers: an additional one would change the schedule. */
  observed<Options extends Observers>(options: Options): Options {
    const { recorder, middlewares = [], stateStore, messageBus } = options;
    const [first, ...rest] = middlewares;
    return {
      ...options,
      ...(recorder && {
        recorder: (record) => {
          note(this.#records, record);
          recorder(record);
        },
      }),
      ...(first && {
        middlewares: [
          (event) => {
            note(this.#events, event);
            return first(event);
          },
          ...rest,
        ],
      }),
      ...(stateStore && {
        stateStore: following(stateStore, {
          saveEvents: (batch) => note(this.#stored, ...batch),
          saveRemoteBinding: (binding) => note(this.#stored, binding),
        }),
      }),
      ...(messageBus && {
        messageBus: following(messageBus, { publish: (batch) => note(this.#published, ...batch) }),
      }),
    } satisfies Options;
  }

  /** Observes every batch that a checkpoint store receives. */
  checkpoints(checkpoints: CheckpointStore): CheckpointStore {
    return {
      open: (lease) =>
        checkpoints.open(lease).then((partition) =>
          following(partition, {
            append: (batch, sequence) => note(this.#checkpointed, lease.partition, sequence, readable(batch)),
          }),
        ),
    };
  }

  /** Observes the values returned to the callers of a flow. */
  callers(flow: SomeFlow): SomeFlow {
    const pauses = this.#answersOf(flow.pauses, ANSWERING_OF_PAUSES);
    return this.#answersOf(flow, ANSWERING, { pauses });
  }

  #answersOf<Callee extends object>(callee: Callee, answering: ReadonlySet<string | symbol>, groups = {}): Callee {
    return new Proxy(callee, {
      get: (target, name) => {
        const value: unknown = Object.hasOwn(groups, name)
          ? Reflect.get(groups, name)
          : Reflect.get(target, name, target);
        if (!isMethod(value)) return value;
        return (...args: unknown[]): unknown => {
          if (!answering.has(name)) return value.apply(target, args);
          const answers: string[] = [];
          this.#answers.push(answers);
          return followed(() => value.apply(target, args), answers);
        };
      },
    });
  }

  /** The hash of the run so far. */
  get bytes(): Buffer {
    const whole = createHash("sha256");
    for (const hash of [this.#records, this.#events, this.#stored, this.#published, this.#checkpointed])
      whole.update(hash.copy().digest());
    for (const answers of this.#answers) note(whole, answers);
    return whole.digest();
  }
}

type Method = (...args: unknown[]) => unknown;

const isMethod = (value: unknown): value is Method => typeof value === "function";

function note(hash: Hash, ...values: readonly unknown[]): void {
  for (const value of values) hash.update(canonical(value)).update("\n");
}

/** Wraps an object so that the named methods report their arguments before they run. */
function following<Owner extends object>(owner: Owner, reports: Reports<Owner>): Owner {
  return new Proxy(owner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (!isMethod(value)) return value;
      const report: unknown = Reflect.get(reports, name);
      return (...args: unknown[]): unknown => {
        if (isMethod(report)) report(...args);
        return value.apply(target, args);
      };
    },
  });
}

/** A reporting function with the same arguments for each method. */
type Reports<Owner> = {
  readonly [Name in keyof Owner]?: Owner[Name] extends (...args: infer Args) => unknown
    ? (...args: Args) => void
    : never;
};

/** Performs a call and records its value, its error, or each item of a stream. */
function followed(call: () => unknown, answers: string[]): unknown {
  const gives = (value: unknown): void => void answers.push(`gives ${canonical(value)}`);
  const throws = (error: unknown): void => void answers.push(`throws ${canonical(error)}`);
  let given: unknown;
  try {
    given = call();
  } catch (error) {
    throws(error);
    throw error;
  }
  if (given instanceof Promise) given.then(gives, throws);
  else if (typeof given === "object" && given !== null && Symbol.asyncIterator in given)
    return followedItems(given as AsyncGenerator<unknown, void, undefined>, gives, throws);
  else gives(given);
  return given;
}

function followedItems(
  items: AsyncGenerator<unknown, void, undefined>,
  gives: (value: unknown) => void,
  throws: (error: unknown) => void,
): AsyncIterableIterator<unknown> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const item = items.next();
      item.then(gives, throws);
      return item;
    },
    return: () => items.return(),
  };
}

/** Returns a batch with its states as data, so that the order of their keys does not count. */
function readable(batch: CheckpointBatch): unknown {
  return {
    ...batch,
    put: batch.put.map((entry) => ({ ...entry, state: JSON.parse(entry.state) as unknown })),
    counts: new Map([...batch.counts].sort(([one], [other]) => (one < other ? -1 : 1))),
  };
}

const MESSAGE_PARTS = ["payload", "headers", "traceId", "createdAt", "deadlineAt", "meta"] as const;
const ERROR_PARTS = ["code", "traceId", "tenant", "node", "attempt", "latencyMs", "retryable", "details", "cause"];

/** The name of this process as the owner of a partition: each process has another. */
const OWNER = /process \d+ \([0-9a-f]{8}\)/g;

/** Formats a value as text that depends only on its public content, not on classes or the order of keys. */
export function canonical(value: unknown, within: readonly object[] = []): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value.replace(OWNER, "process 1"));
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? String(value);
  if (within.includes(value)) return "a cycle";
  const inner = [...within, value];
  const list = (values: Iterable<unknown>): string =>
    `[${Array.from(values, (item) => canonical(item, inner)).join()}]`;
  const entries = (keys: readonly string[]): string => {
    const written = keys.flatMap((key) => {
      const part = (value as Record<string, unknown>)[key];
      return part === undefined ? [] : [`${JSON.stringify(key)}:${canonical(part, inner)}`];
    });
    return `{${written.join()}}`;
  };
  if (Array.isArray(value)) return list(value);
  if (value instanceof Map) return `Map${list(value)}`;
  if (value instanceof Set) return `Set${list(value)}`;
  if (ArrayBuffer.isView(value))
    return `bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof Error) return `Error${entries(["name", "message", ...ERROR_PARTS])}`;
  if (value instanceof Message) return `Message${entries(MESSAGE_PARTS)}`;
  const keys = Object.keys(value).sort();
  // treats an error as data
  const isError = "stack" in value && "message" in value && "name" in value;
  return entries(isError ? keys.filter((key) => key !== "stack") : keys);
}
