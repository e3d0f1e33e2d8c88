import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { mixHigh, mixLow } from "../../foundation/lineage.ts";
import { carry, type Message } from "../../message/message.ts";
import type { Gathered, Trace } from "../state/trace.ts";
import { Attempt, State } from "../state/attempt.ts";
import { PermitLine } from "../state/permits.ts";
import type { Worker } from "../state/worker.ts";
import type { Clock } from "../../foundation/clock.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { SafeProbe } from "../observe/safe-probe.ts";

/** Engine parts that {@link Joining} calls. */
export interface JoiningHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly probe: SafeProbe | undefined;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly failing: { failTrace(attempt: Attempt, thrown: unknown): void };
  readonly ending: { checkStarved(trace: Trace): void; fail(trace: Trace, error: FlowError): void };
}

/**
 * Gathers messages of one trace into groups of the size their join wants. Gathered messages occupy neither edge nor
 * slot.
 *
 * States of a group: gathering → complete, or gathering → timed out or starved → sent short | trace failed. A join that
 * sent a short group at its timeout may drop late messages.
 */
export class Joining {
  readonly #engine: JoiningHost;

  constructor(engine: JoiningHost) {
    this.#engine = engine;
  }

  /** Adds a message to its group, or opens one. `dueAt` restores the timeout of a group from before a restart. */
  arrive(item: Attempt, dueAt?: number): void {
    const { trace, worker } = item;
    const engine = this.#engine;
    if (isLate(trace, worker, item.round)) {
      this.#dropLate(item);
      return;
    }
    const groups = (trace.gathered ??= []);
    let group: Gathered | undefined;
    for (const candidate of groups) if (candidate.place === worker) group = candidate;
    if (group === undefined) {
      const want = this.#wanted(item);
      const index = worker.groups.length;
      const { high, low } = item;
      group = { place: worker, members: [], want, timer: undefined, dueAt: undefined, high, low, index };
      groups.push(group);
      worker.groups.push(group);
      const { timeoutMs } = worker.node.gathering as { timeoutMs: number | undefined };
      const opened = group;
      if (timeoutMs !== undefined) {
        const now = engine.clock.epochNow();
        group.dueAt = dueAt ?? now + timeoutMs;
        group.timer = engine.timers.after(Math.max(0, group.dueAt - now), () =>
          this.#timedOut(trace, opened, timeoutMs),
        );
      }
    }
    item.edge = null;
    group.members.push(item);
    engine.ledger.parked(item, "join");
    if (engine.reporter.hasListeners) {
      engine.reporter.trace(trace, {
        type: "join_wait",
        node: worker.name,
        lineage: item.lineage,
        from: item.from,
        // an "empty" group holds one message that only says so: counting it would report 1 of 0
        have: Math.min(group.members.length, group.want),
        want: group.want,
      });
    }
    if (group.members.length >= group.want) this.#send(trace, group);
    else this.#checkStarved(trace);
  }

  /**
   * Sends on the incomplete groups that may stay short, when no more messages can arrive. Returns whether there was
   * one.
   */
  sendShort(trace: Trace): boolean {
    const short = trace.gathered?.filter((group) => group.place.node.gathering?.whenShort === "emit") ?? [];
    for (const group of short) this.#send(trace, group);
    return short.length > 0;
  }

  /** Whether every remaining message of a trace can only arrive late at joins that have already continued. */
  isOnlyLate(trace: Trace): boolean {
    const known = new Map<string, boolean>();
    let found = 0;
    const isLost = (item: Attempt): boolean => {
      found += 1;
      // a result that waits for its reader goes to no join
      if (item.extras?.outbox.some(({ edges }) => edges.length === 0)) return false;
      const key = `${item.worker.index}/${item.round}`;
      let answer = known.get(key);
      if (answer === undefined) known.set(key, (answer = leadsOnlyToLate(trace, item.worker, item.round)));
      return answer;
    };
    if (trace.entry !== null) return false;
    for (let at = trace.firstMember; at !== null; at = at.nextOfTrace)
      if (at.state !== State.OVER && !isLost(at)) return false;
    for (let lane = trace.lanes; lane !== null; lane = lane.nextOfOwner) {
      // a lane of permits has members alone
      if (lane.queue instanceof PermitLine) continue;
      for (let item = lane.head as Attempt | null; item !== null; item = item.nextInLane)
        if (!isLost(item)) return false;
    }
    for (const { members } of trace.gathered ?? []) for (const member of members) if (!isLost(member)) return false;
    for (const item of trace.lasting?.paused ?? []) if (!isLost(item)) return false;
    // the remaining live messages are not accepted yet: their route is unknown, so the trace is not only late
    return found === trace.live;
  }

  /** Returns the name of a join that waits. */
  firstOf(trace: Trace): string | undefined {
    return trace.gathered?.[0]?.place.name;
  }

  /** Describes the missing messages of the trace's joins; `undefined` if no join waits. */
  describe(trace: Trace): string | undefined {
    if (trace.gathered === null || trace.gathered.length === 0) return undefined;
    return trace.gathered
      .map((group) => `join "${group.place.name}" has ${group.members.length} of ${group.want} messages`)
      .join(", ");
  }

  #send(trace: Trace, group: Gathered, isTimedOut = false): void {
    const engine = this.#engine;
    const worker = group.place;
    group.timer?.cancel();
    worker.dropGroup(group);
    const groups = trace.gathered as Gathered[];
    if (groups.length === 1) trace.gathered = null;
    else groups.splice(groups.indexOf(group), 1);
    const { high, low, members } = group;
    const messages = members.map((member) => member.message);
    const joined = group.want === 0 ? carry(messages[0] as Message, []) : together(messages);
    const attempt = new Attempt(
      worker,
      trace,
      engine.probe === undefined ? joined : engine.probe.gather(joined, messages),
      null,
      mixHigh(high, low, worker.index, messages.length),
      mixLow(high, low, worker.index, messages.length),
      1,
    );
    for (const member of members) attempt.round = Math.max(attempt.round, member.round);
    if (isTimedOut && worker.node.gathering?.late === "drop") this.#close(trace, attempt);
    engine.ledger.joined(attempt, messages.length);
    if (engine.slots.mayStart(worker, trace, true)) engine.slots.launch(attempt);
    else engine.slots.enqueue(attempt);
  }

  /** Marks a join as closed for the messages still on their way to it. `attempt` carries its short group. */
  #close(trace: Trace, attempt: Attempt): void {
    const { worker } = attempt;
    const extras = trace.more;
    const others = (extras.closed ?? []).filter(({ place }) => place !== worker);
    // in a cycle the group may come back to the join: without a new round its own descendants would be dropped as late
    if (worker.ring !== undefined) attempt.round = extras.rounds += 1;
    const before = worker.ring === undefined ? Number.POSITIVE_INFINITY : attempt.round;
    extras.closed = [...others, { place: worker, before }];
  }

  #dropLate(item: Attempt): void {
    const { trace, worker } = item;
    const engine = this.#engine;
    item.end();
    item.edge = null;
    engine.ledger.cameLate(item);
    if (engine.reporter.hasListeners)
      engine.reporter.node(item, { type: "message_drop", reason: `join "${worker.name}" went on without it` });
    this.#checkStarved(trace);
  }

  /** Ends or continues a trace whose remaining messages all wait or come too late. */
  #checkStarved(trace: Trace): void {
    const { agenda, ending } = this.#engine;
    // a trace that ended in the midst of a send would leave what is sent without a record, and the rest unsent
    if (trace.extras?.closed === undefined) ending.checkStarved(trace);
    else agenda.beforeRunning(() => ending.checkStarved(trace));
  }

  /** Returns the number of messages in a group. If the node's count function throws, the trace is about to fail. */
  #wanted(item: Attempt): number {
    const { worker, trace } = item;
    const { count } = worker.node.gathering as { count: number | ((first: Message) => number) };
    if (typeof count === "number") return count;
    let problem: unknown;
    try {
      const want = trace.inScope(count, item.message);
      if (Number.isInteger(want) && want >= 0) return want;
      problem = new RangeError(
        `The count of join "${worker.name}" must be a whole number of 0 or more: got ${String(want)}`,
      );
    } catch (error) {
      problem = error;
    }
    // failing at once would leave a broadcast half delivered: every target of the message gets it first
    trace.more.isDoomed = true;
    this.#engine.agenda.beforeRunning(() => this.#engine.failing.failTrace(item, problem));
    return Number.POSITIVE_INFINITY;
  }

  #timedOut(trace: Trace, group: Gathered, timeoutMs: number): void {
    const worker = group.place;
    if (worker.node.gathering?.whenShort === "emit") {
      this.#send(trace, group, true);
    } else {
      this.#engine.ending.fail(
        trace,
        new FlowError({
          code: FlowErrorCode.JOIN_TIMEOUT,
          message: `Join "${worker.name}" waited ${timeoutMs} ms and has ${group.members.length} of ${group.want} messages`,
          traceId: trace.id,
          tenant: trace.tenant,
          node: worker.name,
          latencyMs: timeoutMs,
          retryable: true,
          failedMessage: group.members[0]?.message,
        }),
      );
    }
    this.#engine.agenda.flush();
  }
}

/** Whether a join has continued without the messages of a round. */
function isLate(trace: Trace, worker: Worker, round: number): boolean {
  const { extras } = trace;
  if (extras === null || extras.closed === undefined) return false;
  return extras.closed.some(({ place, before }) => place === worker && round < before);
}

/** Whether every path from a node ends at joins that have continued without this round. */
function leadsOnlyToLate(trace: Trace, first: Worker, round: number): boolean {
  const behind = new Set([first]);
  for (const worker of behind) {
    if (worker.onward.length === 0) return false;
    for (const { target } of worker.onward) if (!isLate(trace, target, round)) behind.add(target);
  }
  // a cycle without a way to such a join is work that nothing makes late
  let before: number;
  do {
    before = behind.size;
    for (const worker of [...behind].reverse())
      if (worker.onward.some(({ target }) => !behind.has(target) || isLate(trace, target, round)))
        behind.delete(worker);
  } while (behind.size < before);
  return behind.size === 0;
}

/** Merges messages into one with all payloads, in order of arrival. The meta of later messages wins. */
function together(messages: readonly Message[]): Message {
  const first = messages[0] as Message;
  const payloads: unknown[] = [];
  let isAlike = true;
  for (const message of messages) {
    payloads.push(message.payload);
    if (message.meta !== first.meta) isAlike = false;
  }
  const gathered = carry(first, payloads);
  if (isAlike) return gathered;
  const meta: Record<string, unknown> = {};
  for (const message of messages) Object.assign(meta, message.meta);
  return gathered.with({ meta });
}
