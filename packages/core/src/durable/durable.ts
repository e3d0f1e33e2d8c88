import {
  requireInteger,
  requireKnownKeys,
  requireMethods,
  requireNumber,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
import type { CheckpointStore } from "../ports/checkpoint-store.ts";
import type { Durability } from "../engine/durability.ts";
import { StoredCalls } from "../engine/context/stored-calls.ts";
import { registerDurability } from "../engine/durable-host.ts";
import { provideParts } from "../engine/parts.ts";
import { OutcomeDelivery } from "../engine/results/outcome-delivery.ts";
import type { DurableOptions, ResolvedDurableOptions } from "./durable-options.ts";
import { CheckpointedRun } from "./durable-run.ts";
import { thisProcess } from "./this-process.ts";

const KNOWN = [
  "checkpoints",
  "partition",
  "owner",
  "leaseMs",
  "maxPayloadBytes",
  "maxFailed",
  "onChanged",
  "unloadAfterMs",
  "maxLostOwners",
  "lease",
] as const;

/**
 * Makes a flow survive the end of its process: after a crash at any instant, the next run finishes every accepted
 * message.
 *
 * @example
 * ```ts
 * const checkpoints = await SqliteCheckpointStore.open({ file: "orders.db" });
 * const flow = create(a.to(b), { durability: durable({ checkpoints }) });
 * flow.run();
 * await flow.ready(); // the traces of an earlier process are in flight again
 * ```
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function durable(options: DurableOptions): Durability {
  requireKnownKeys("durable", options, KNOWN);
  const resolved: ResolvedDurableOptions = {
    checkpoints: options.checkpoints,
    partition: options.partition,
    owner: options.owner ?? thisProcess(),
    leaseMs: options.leaseMs ?? 10_000,
    maxPayloadBytes: options.maxPayloadBytes ?? 2 ** 20,
    maxFailed: options.maxFailed ?? 1000,
    onChanged: options.onChanged ?? "park",
    unloadAfterMs: options.unloadAfterMs ?? 60_000,
    maxLostOwners: options.maxLostOwners ?? Number.POSITIVE_INFINITY,
    lease: options.lease,
  };
  if (typeof (resolved.checkpoints as Partial<CheckpointStore> | undefined)?.open !== "function")
    throw new TypeError(
      `Option "checkpoints" of durable must be a checkpoint store: got ${shown(resolved.checkpoints)}`,
    );
  for (const name of ["partition", "owner"] as const) {
    const value = resolved[name];
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw new TypeError(`Option "${name}" of durable must be a non-empty string: got ${shown(value)}`);
  }
  if (resolved.lease !== undefined) requireMethods("lease", resolved.lease, ["renewed", "confirm"]);
  requireNumber("leaseMs", resolved.leaseMs, 1);
  requireInteger("maxPayloadBytes", resolved.maxPayloadBytes, 1);
  requireInteger("maxFailed", resolved.maxFailed, 0);
  if (resolved.unloadAfterMs !== Number.POSITIVE_INFINITY) requireNumber("unloadAfterMs", resolved.unloadAfterMs, 1);
  if (resolved.maxLostOwners !== Number.POSITIVE_INFINITY) requireInteger("maxLostOwners", resolved.maxLostOwners, 2);
  if (typeof resolved.onChanged !== "function") requireOneOf("onChanged", resolved.onChanged, ["fail", "park"]);
  provideParts({
    outcomes: (engine) => new OutcomeDelivery(engine),
    storedCalls: (engine) => new StoredCalls(engine),
  });
  const isVolatile = resolved.checkpoints.isVolatile === true;
  return registerDurability(
    { "~durability": true, ...(isVolatile && { "~isVolatile": true }) },
    (engine) => new CheckpointedRun(engine, resolved),
  );
}
