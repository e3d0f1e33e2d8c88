import { requireInteger, requireKnownKeys, requireNumber, requireOneOf, shown } from "../foundation/options.ts";
import type { Journal } from "../ports/journal.ts";
import type { Durability } from "../engine/durability.ts";
import { registerDurability } from "../engine/durable-host.ts";
import { JournalledRun } from "./durable-run.ts";
import type { OnChanged } from "./recovering.ts";
import { thisProcess } from "./this-process.ts";

/** How a flow is made durable. */
export interface DurableOptions {
  /** Where what must not be lost is kept. */
  readonly journal: Journal;
  /** The part of the journal that this flow's traces are in. One process at a time may run it. @defaultValue the flow's name */
  readonly partition?: string | undefined;
  /** The name of this process, told to others that want the same partition. @defaultValue its process id and random digits */
  readonly owner?: string | undefined;
  /**
   * Milliseconds after which another process may take over when this one is no longer heard of. `ready` waits for so
   * long where a process has died, and rejects with `JOURNAL_OWNED` as soon as it is clear that it is alive.
   *
   * @defaultValue 10000
   */
  readonly leaseMs?: number | undefined;
  /**
   * How long a payload may be, in characters of its JSON text, roughly; the same holds for each meta. Errors that are
   * kept are cut to it.
   *
   * @defaultValue 1048576
   */
  readonly maxPayloadBytes?: number | undefined;
  /** How many traces that have failed are kept to be tried again; the oldest go first. @defaultValue 1000 */
  readonly maxFailed?: number | undefined;
  /**
   * What is done with a trace whose node is gone or whose payload does not fit its node any more: it fails, it stays
   * in the journal for a later run, or a function says where its message goes. Each is logged and stands in the
   * recovery's `changed`.
   *
   * @defaultValue `"park"`
   */
  readonly onChanged?: OnChanged | undefined;
}

/** {@link DurableOptions} with their defaults. */
export interface ResolvedDurableOptions {
  readonly journal: Journal;
  readonly partition: string | undefined;
  readonly owner: string;
  readonly leaseMs: number;
  readonly maxPayloadBytes: number;
  readonly maxFailed: number;
  readonly onChanged: OnChanged;
}

const KNOWN = ["journal", "partition", "owner", "leaseMs", "maxPayloadBytes", "maxFailed", "onChanged"] as const;

/**
 * Makes a flow survive the end of its process: kill it at any instant, run it again, and every message that it
 * accepted is finished.
 *
 * @example
 * ```ts
 * const journal = await SqliteJournal.open({ file: "orders.db" });
 * const flow = create(a.to(b), { durability: durable({ journal }) });
 * flow.run();
 * await flow.ready(); // what an earlier process has left is under way again
 * ```
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function durable(options: DurableOptions): Durability {
  requireKnownKeys("durable", options, KNOWN);
  const resolved: ResolvedDurableOptions = {
    journal: options.journal,
    partition: options.partition,
    owner: options.owner ?? thisProcess(),
    leaseMs: options.leaseMs ?? 10_000,
    maxPayloadBytes: options.maxPayloadBytes ?? 2 ** 20,
    maxFailed: options.maxFailed ?? 1000,
    onChanged: options.onChanged ?? "park",
  };
  if (typeof (resolved.journal as Partial<Journal> | undefined)?.open !== "function")
    throw new TypeError(`Option "journal" of durable must be a journal: got ${shown(resolved.journal)}`);
  for (const name of ["partition", "owner"] as const) {
    const value = resolved[name];
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw new TypeError(`Option "${name}" of durable must be a string that is not empty: got ${shown(value)}`);
  }
  requireNumber("leaseMs", resolved.leaseMs, 1);
  requireInteger("maxPayloadBytes", resolved.maxPayloadBytes, 1);
  requireInteger("maxFailed", resolved.maxFailed, 0);
  if (typeof resolved.onChanged !== "function") requireOneOf("onChanged", resolved.onChanged, ["fail", "park"]);
  return registerDurability({ "~durability": true }, (engine) => new JournalledRun(engine, resolved));
}
