import { errorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireFunction, requireKnownKeys, requireOneOf, shown } from "../../foundation/options.ts";
import type { OnceOptions } from "../../graph/handler.ts";
import { type Effect, Lasting } from "../state/trace.ts";
import { type Attempt, outermost, State } from "../state/attempt.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { HandlerWaits } from "./handler-waits.ts";

/** Engine parts that {@link Effects} calls. */
export interface EffectsHost {
  readonly durable: DurableRun | undefined;
  readonly ledger: Ledger;
  readonly waits: HandlerWaits;
}

/**
 * Records the results of side effects, so that each runs at most once in its trace.
 *
 * States of an effect: started → succeeded | failed, or unknown if the process ends while it runs. `ifFailed` and
 * `ifUnknown` decide whether a failed or unknown effect runs again.
 */
export class Effects {
  readonly #engine: EffectsHost;

  constructor(engine: EffectsHost) {
    this.#engine = engine;
  }

  /** Runs a side effect unless its trace already has a result of it. */
  async once<Value>(
    attempt: Attempt,
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options: OnceOptions<Value>,
  ): Promise<Value> {
    requireFunction("run", run);
    requireKnownKeys("once", options, ["ifFailed", "ifUnknown", "keep"]);
    const { ifFailed = "fail", ifUnknown = "fail", keep = "trace" } = options;
    if (typeof ifUnknown !== "function") requireOneOf("ifUnknown", ifUnknown, ["fail", "run"]);
    requireOneOf("ifFailed", ifFailed, ["fail", "run"]);
    requireOneOf("keep", keep, ["trace", "message"]);
    if (typeof key !== "string" || key === "")
      throw new TypeError(`The key of a side effect must be a string that is not empty: got ${shown(key)}`);
    const root = outermost(attempt);
    const effects = (root.trace.lasting ??= new Lasting()).effects;
    const place = keep === "message" ? `${placeOf(root)}${key}` : key;
    const known = effects.get(place);
    // without extras the attempt would take the fast path, which forgets no values
    if (keep === "message") void root.more;
    if (known?.running !== undefined) {
      try {
        return (await this.#engine.waits.waitFor(attempt, known.running, { lendsPermit: true })) as Value;
      } catch (error) {
        if (effects.get(place) === known || !isRunning(attempt)) throw error;
        // the attempt that was to run the effect ended before it started: without this call the effect would never run
        return await this.once(attempt, key, run, options);
      }
    }
    if (known?.status === "succeeded") return known.value as Value;
    if (known?.status === "failed" && ifFailed === "fail") throw this.#failed(attempt, key, known);
    if (known !== undefined && known.status !== "failed") {
      if (ifUnknown === "fail") throw this.#unknown(attempt, key);
      if (typeof ifUnknown === "function") return await this.#run(attempt, key, place, ifUnknown, "unknown");
    }
    return await this.#run(attempt, key, place, run, "started");
  }

  /** Forgets the effects that were to last as long as the message of an attempt, which has committed. */
  committed(attempt: Attempt): void {
    const { effects } = attempt.trace.lasting as Lasting;
    const place = placeOf(attempt);
    for (const key of effects.keys()) if (key.startsWith(place)) effects.delete(key);
  }

  /** Calls `run` and records its result at `place`. The effect's status is `meanwhile` until then. */
  async #run<Value>(
    attempt: Attempt,
    key: string,
    place: string,
    run: (effectKey: string) => Value | Promise<Value>,
    meanwhile: "started" | "unknown",
  ): Promise<Value> {
    const { trace, traceKey } = outermost(attempt);
    const { durable, ledger, waits } = this.#engine;
    const { effects } = trace.lasting as Lasting;
    const before = effects.get(place);
    const effect: Effect = { status: meanwhile };
    effects.set(place, effect);
    const running = (async () => {
      let isBegun = false;
      try {
        ledger.changed(trace);
        // the start is stored before the effect runs: otherwise a crash would leave no trace of it, and it would run
        // twice
        if (durable !== undefined) await waits.waitFor(attempt, durable.stored());
        attempt.requireRunning("run a side effect");
        isBegun = true;
        const value = await run(`${traceKey}-${place}`);
        durable?.requireFit(value, `the value of ctx.once("${key}")`, attempt.worker.name);
        Object.assign(effect, { status: "succeeded", value, running: undefined });
        return value;
      } catch (error) {
        // a check that could not find out must restore the earlier status: marking it failed would allow a second run
        if (isBegun && meanwhile === "started")
          Object.assign(effect, {
            status: "failed",
            error: durable === undefined ? errorPayload(error) : durable.kept(error),
            running: undefined,
          });
        else if (effects.get(place) === effect) {
          if (before === undefined) effects.delete(place);
          else effects.set(place, before);
        }
        throw error;
      } finally {
        ledger.changed(trace);
      }
    })();
    running.catch(() => {});
    if (effect.status === meanwhile) effect.running = running;
    return await waits.waitFor(attempt, running);
  }

  #failed(attempt: Attempt, key: string, effect: Effect): FlowError {
    return effectError(
      attempt,
      FlowErrorCode.EFFECT_FAILED,
      `The side effect "${key}" has failed before and is not repeated: ${effect.error?.message ?? "no reason is known"}; pass { ifFailed: "run" } where it may be`,
      { key, error: effect.error },
    );
  }

  #unknown(attempt: Attempt, key: string): FlowError {
    return effectError(
      attempt,
      FlowErrorCode.EFFECT_UNKNOWN,
      `It is not known whether the side effect "${key}" took place: the process ended while it ran; pass { ifUnknown } a function that finds out, or "run" where it may be repeated`,
      { key },
    );
  }
}

/** Returns the prefix of the effects that last as long as the message of an attempt. */
function placeOf(attempt: Attempt): string {
  return `${attempt.lineage}/`;
}

function isRunning(attempt: Attempt): boolean {
  return attempt.state === State.RUNNING;
}

function effectError(
  attempt: Attempt,
  code: FlowErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>>,
): FlowError {
  const { traceId, tenant, worker } = attempt;
  return new FlowError({ code, message, traceId, tenant, node: worker.name, attempt: attempt.attempt, details });
}
