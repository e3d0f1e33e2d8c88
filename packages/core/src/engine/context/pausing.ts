import { jsonSchemaOf } from "../../foundation/json-schema.ts";
import { isSchema } from "../../foundation/schema.ts";
import { requireKnownKeys, requireNumber, shown } from "../../foundation/options.ts";
import type { PauseInit } from "../../graph/handler.ts";
import { Lasting, type Pause, type Trace } from "../state/trace.ts";
import { type Attempt, outermost, outermostTrace, pathOf } from "../state/attempt.ts";
import type { Random } from "../../foundation/random.ts";
import type { Failing } from "../termination/failing.ts";
import type { Logger } from "../../events/logger.ts";
import { Following, type FollowingHost } from "./following.ts";
import { PauseAnswers, type PauseAnswersHost } from "./pause-answers.ts";
import { Parking, type ParkingHost } from "./parking.ts";
import { isOf, listenKey, pausePlace, unnamedPlaybookPlace } from "./pause-keys.ts";
import { PauseTable, type PauseTableHost } from "./pause-table.ts";
import { tokenFor } from "./pause-token.ts";
import { Resting, type RestingHost } from "./resting.ts";

/** Engine parts that {@link Pausing} calls. */
export interface PausingHost extends FollowingHost, ParkingHost, PauseAnswersHost, PauseTableHost, RestingHost {
  readonly options: PauseTableHost["options"] &
    RestingHost["options"] & { readonly random: Random; readonly logger: Logger };
  readonly failing: Failing;
  /** Pauses of the outermost flow; `undefined` in that flow itself. */
  readonly outerPausing: Pausing | undefined;
}

/**
 * Parks messages whose handlers ask for answers or sleep, for days if necessary. Such a handler is aborted. Once an
 * answer arrives or the sleep is over, it is called again from the start: `ctx.pause` returns the answer, and
 * `ctx.sleepUntil` resolves. A sleep is a pause without a token, which expires and goes on; so is a wait for a signal,
 * which the signal answers.
 *
 * Pauses belong to the outermost trace. In a playbook it is the outermost message that is parked; in a durable flow the
 * playbook's own message, and then each caller whose playbook waits for nothing but answers and sleeps.
 *
 * States of a pause: asked → waiting → answered or expired → over, as listed at {@link Pause}. A trace is quiet while it
 * waits only for answers, sleeps and signals, and asleep while it waits for no answer.
 */
export class Pausing {
  readonly resting: Resting;
  readonly pauses: PauseTable;
  readonly parking: Parking;
  readonly following: Following;
  readonly #engine: PausingHost;
  readonly #answers: PauseAnswers;

  constructor(engine: PausingHost) {
    this.#engine = engine;
    this.resting = engine.outerPausing?.resting ?? new Resting(engine);
    this.pauses = engine.outerPausing?.pauses ?? new PauseTable(engine, this.resting);
    this.parking = new Parking(engine, this.pauses, this.resting);
    this.#answers = new PauseAnswers(engine, this.pauses, this.parking);
    this.following = new Following(engine, this.pauses, this.resting);
  }

  /** Number of its own traces at rest. Those of playbooks do not count: they belong to the outermost trace. */
  get restingTraces(): number {
    return this.#engine.outerPausing === undefined ? this.resting.count : 0;
  }

  /** Returns the answer to a pause of `attempt` if there is one; otherwise ends the attempt and parks its message. */
  pause(attempt: Attempt, init: PauseInit<unknown>): Promise<unknown> {
    requirePause(init);
    const root = this.#parkedFor(attempt);
    const key = this.#newKey(root, attempt, "pause", init.name ?? init.reason);
    const lasting = (outermost(attempt).trace.lasting ??= new Lasting());
    const known = lasting.pauses.get(key) ?? this.#inherited(lasting, attempt, init, key);
    if (known !== undefined) {
      known.askedBy = root;
      known.goesOn = init.ifExpired !== undefined;
      known.resumeSchema = jsonSchemaOf(init.resumeSchema, "input");
    }
    if (known?.answer !== undefined) return this.#answers.accept(root, known, init);
    return this.#wait(root, attempt, known ?? this.#made(root, attempt, key, init));
  }

  /**
   * Resolves if the sleep of that name is over or `at` has passed; otherwise ends the attempt and parks its message.
   */
  async sleep(attempt: Attempt, at: number, name: string): Promise<void> {
    const engine = this.#engine;
    const root = this.#parkedFor(attempt);
    const key = this.#newKey(root, attempt, "sleep", name);
    const known = outermost(attempt).trace.lasting?.pauses.get(key);
    if (known !== undefined) known.askedBy = root;
    if (known?.answer !== undefined || (known?.expiresAt ?? at) <= engine.clock.epochNow()) return;
    const asleep = { ...askedAt(attempt, key, root), name, reason: name, expiresAt: at, goesOn: true };
    await this.#wait(root, attempt, known ?? asleep);
  }

  /**
   * Ends the attempt and parks its message until a signal of that name arrives or `expiresAt`. Resolves if that has
   * passed. `position` is the number of signals of the name that the handler has received.
   */
  async listen(attempt: Attempt, name: string, position: number, expiresAt: number | undefined): Promise<void> {
    const root = this.#parkedFor(attempt);
    const key = listenKey(attempt, name, position);
    const outer = outermost(attempt).trace;
    const known = outer.lasting?.pauses.get(key);
    const end = known?.expiresAt ?? expiresAt;
    if (end !== undefined && end <= this.#engine.clock.epochNow()) return;
    this.#requireSent(root, attempt, `wait for signal ${shown(name)}`);
    if (known !== undefined) {
      known.askedBy = root;
      // another handler has received the signal for which this one was called
      this.pauses.reopen(outer, known);
      // two calls of `next` at once
      if (root.more.asked.includes(known)) return await this.#engine.waits.wait(attempt, () => undefined);
    }
    const asked = { ...askedAt(attempt, key, root), name, reason: name, signal: name, expiresAt, goesOn: true };
    await this.#wait(root, attempt, known ?? asked);
  }

  /** Ends the wait for a signal that the handler has received. */
  heard(attempt: Attempt, name: string, position: number): void {
    const { lasting } = outermost(attempt).trace;
    const key = listenKey(attempt, name, position);
    lasting?.pauses.get(key)?.timer?.cancel();
    lasting?.pauses.delete(key);
  }

  /** Returns the attempt whose message is parked when `attempt` pauses. */
  #parkedFor(attempt: Attempt): Attempt {
    return this.#engine.durable === undefined ? outermost(attempt) : attempt;
  }

  /**
   * Claims the key of a pause or a sleep for the running handler.
   *
   * @throws TypeError if the handler has used it already, or a message it has sent is blocked
   */
  #newKey(root: Attempt, attempt: Attempt, kind: "pause" | "sleep", name: string): string {
    // a sleep must not take the answer to a question of the same name
    const key = `${pausePlace(attempt)}${kind === "pause" ? "." : ":"}${name}`;
    const keys = (attempt.more.pauseKeys ??= new Set());
    if (keys.has(key))
      throw this.#refused(
        attempt,
        `Cannot ${kind} twice as ${shown(name)} at node "${attempt.node}": the ${kind === "pause" ? "answers" : "sleeps"} could not be told apart; give each ${kind} its own "name"`,
      );
    keys.add(key);
    this.#requireSent(root, attempt, kind);
    return key;
  }

  #requireSent(root: Attempt, attempt: Attempt, what: string): void {
    if ((root.extras?.outbox.length ?? 0) > 0)
      throw new TypeError(
        `Cannot ${what} at node "${attempt.node}" while a message it has sent waits: await its emits first`,
      );
  }

  /**
   * Registers the key of a playbook call.
   *
   * @throws TypeError if the key is empty or no string, or another call of the attempt uses it
   */
  requirePlaybookKey(attempt: Attempt, key: string): void {
    if (typeof key !== "string" || key === "")
      throw new TypeError(`Option "key" of callPlaybook must be a string that is not empty: got ${shown(key)}`);
    const keys = (attempt.more.playbookKeys ??= new Set());
    if (keys.has(key))
      throw this.#refused(
        attempt,
        `Cannot call two playbooks under the key ${shown(key)} at node "${attempt.node}": what they ask for could not be told apart; give each call a key of its own`,
      );
    keys.add(key);
  }

  /**
   * Decides whether an attempt whose handler has returned may commit. It may not if an earlier run requested a pause
   * that the handler no longer requests: the answer would be lost. The durable run then decides what happens to its
   * message.
   */
  mayFinish(attempt: Attempt): boolean {
    const engine = this.#engine;
    const { trace, worker } = attempt;
    const { lasting } = outermost(attempt).trace;
    if (lasting === null || lasting.pauseCount === 0) return true;
    const unasked = [...lasting.pauses.values()].filter((pause) => {
      // a sleep that is not asked for any more has no answer to lose
      if (pause.token === undefined) return false;
      if (this.parking.isOwn(pause, attempt)) return pause.askedBy !== attempt;
      return isOf(pause, attempt) && pause.askedBy === undefined;
    });
    if (unasked.length === 0) return true;
    const inherited = unasked.filter(({ askedBy }) => askedBy?.trace !== trace);
    if (engine.durable !== undefined && inherited.length > 0) {
      engine.durable.notAsked(engine, engine.failing.setAside(attempt), inherited);
      return false;
    }
    const { logger, name: flow } = engine.options;
    const { id: traceId, tenant } = trace;
    for (const { name, reason, answer } of unasked)
      logger.warn("pause_not_asked", {
        flow,
        traceId,
        tenant,
        node: worker.name,
        pause: name ?? reason,
        wasAnswered: answer !== undefined && answer.isExpired !== true,
      });
    return true;
  }

  /** Drops pauses that no handler requests any more. */
  drop(attempt: Attempt, pauses: Iterable<Pause>): void {
    this.pauses.drop(outermost(attempt).trace, pauses);
  }

  /** Ends the pauses of an attempt that has succeeded. */
  committed(attempt: Attempt): void {
    const { lasting } = outermost(attempt).trace;
    if (lasting === null || lasting.pauseCount === 0) return;
    this.drop(
      attempt,
      [...lasting.pauses.values()].filter((pause) => isOf(pause, attempt)),
    );
  }

  /** Ends the pauses of a trace that has ended. */
  ended(trace: Trace): void {
    const { lasting } = trace;
    if (lasting === null) return;
    if (trace.origin !== null) {
      const outer = outermostTrace(trace);
      const pauses = [...(outer.lasting?.pauses.values() ?? [])];
      this.pauses.drop(
        outer,
        pauses.filter((pause) => pause.trace === trace),
      );
    } else this.pauses.ended(trace);
    if (lasting.pausedCount > 0) lasting.paused.clear();
    this.resting.stir(trace);
  }

  /** Releases a trace at rest that is unloaded. */
  unloaded(trace: Trace): void {
    this.pauses.unloaded(trace);
    this.resting.unloaded(trace);
  }

  /**
   * Restores the pauses of a trace after a restart, or when it is loaded: its callers were told of the pauses then.
   */
  restore(trace: Trace, pauses: readonly Pause[], wasTold: boolean): void {
    (trace.lasting ??= new Lasting()).wasTold = wasTold;
    for (const pause of pauses) {
      this.parking.connect(trace, pause);
      this.pauses.add(trace, pause);
      this.pauses.arm(trace, pause);
    }
  }

  #wait(root: Attempt, attempt: Attempt, pause: Pause): Promise<unknown> {
    const { more } = root;
    const { trace } = outermost(attempt);
    this.pauses.add(trace, pause);
    // the end of a playbook's trace ends its pauses, even if that comes before its message is parked
    root.trace.lasting ??= new Lasting();
    // every pause of this step is parked together: parking at the first would hide the others from the caller
    if (more.asked.push(pause) === 1) this.#engine.agenda.beforeRunning(() => this.parking.park(root));
    return this.#engine.waits.wait(attempt, () => undefined);
  }

  /** Fails a trace whose handler uses one name twice. */
  #refused(attempt: Attempt, message: string): TypeError {
    const root = this.#parkedFor(attempt);
    const error = new TypeError(message);
    this.parking.failSoon(root, this.#engine.failing.explain(root, error));
    return error;
  }

  /** Finds a pause that an earlier run requested without a name, and gives it its current key. */
  #inherited(lasting: Lasting, attempt: Attempt, { name, reason }: PauseInit<unknown>, key: string): Pause | undefined {
    for (const place of [pausePlace(attempt), unnamedPlaybookPlace(attempt)]) {
      const known = lasting.pauses.get(`${place}.${reason}`);
      if (known === undefined || known.name !== undefined || known.askedBy !== undefined) continue;
      lasting.pauses.delete(known.key);
      known.key = key;
      known.name = name;
      lasting.pauses.set(key, known);
      return known;
    }
    return undefined;
  }

  #made(root: Attempt, attempt: Attempt, key: string, init: PauseInit<unknown>): Pause {
    const { name, reason, payload, expiresAt, ifExpired } = init;
    const engine = this.#engine;
    if (payload !== undefined) engine.durable?.requireFit(payload, "the payload of a pause", attempt.node);
    const token = tokenFor(outermost(attempt).trace, expiresAt, engine.options.random);
    const goesOn = ifExpired !== undefined;
    const answer = { goesOn, resumeSchema: jsonSchemaOf(init.resumeSchema, "input") };
    return { ...askedAt(attempt, key, root), name, token, reason, payload, expiresAt, ...answer };
  }
}

/** Returns the common fields of a new pause or sleep. */
function askedAt(attempt: Attempt, key: string, askedBy: Attempt) {
  return {
    key,
    node: attempt.node,
    path: pathOf(attempt.trace),
    askedBy,
    trace: askedBy.trace,
    token: undefined,
    signal: undefined,
    payload: undefined,
    resumeSchema: undefined,
    hasBegun: false,
    goOnWaiting: undefined,
    answer: undefined,
    refuse: undefined,
    timer: undefined,
  };
}

function requirePause(init: PauseInit<unknown>): void {
  if (typeof init !== "object" || init === null)
    throw new TypeError(
      `A pause needs { reason, name?, payload?, resumeSchema?, expiresAt?, ifExpired? }: got ${shown(init)}`,
    );
  requireKnownKeys("pause", init, ["reason", "name", "payload", "resumeSchema", "expiresAt", "ifExpired"]);
  if (typeof init.reason !== "string" || init.reason === "")
    throw new TypeError(`Option "reason" of pause must be a string that is not empty: got ${shown(init.reason)}`);
  if (init.name !== undefined && (typeof init.name !== "string" || init.name === ""))
    throw new TypeError(`Option "name" of pause must be a string that is not empty: got ${shown(init.name)}`);
  if (init.expiresAt !== undefined) requireNumber("expiresAt", init.expiresAt, 0);
  if (init.ifExpired !== undefined && init.expiresAt === undefined)
    throw new TypeError('Option "ifExpired" of pause needs "expiresAt": without it the pause never expires');
  if (init.resumeSchema !== undefined && !isSchema(init.resumeSchema))
    throw new TypeError(`Option "resumeSchema" of pause must be a Standard Schema: got ${shown(init.resumeSchema)}`);
}
