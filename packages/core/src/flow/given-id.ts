import { onAbort } from "../foundation/abort.ts";
import { digestOf } from "../foundation/digest.ts";
import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { Outcome } from "../message/outcome.ts";
import type { Engine } from "../engine/engine.ts";
import { sealed } from "../engine/delivery/sealed.ts";
import type { KeptOutcome } from "../engine/results/kept-outcomes.ts";
import { LeftSink } from "../engine/results/rookery.ts";
import { OutcomeSink } from "../engine/results/sink.ts";
import type { StreamSink } from "../engine/results/stream-sink.ts";
import type { GivenId } from "../engine/state/given-id.ts";
import { Lasting, type Trace, type TraceSink } from "../engine/state/trace.ts";
import type { EmitOptions } from "./call-options.ts";
import { openTrace } from "./open-trace.ts";
import { prepare, type Prepared } from "./prepare.ts";
import type { Admitted } from "./read-trace.ts";

/** Default of `keepMs`: a day. */
const DAY_MS = 86_400_000;

/** A caller with a given id, in the three cases that it may find. */
interface IdCall<Found> {
  /** Begins a trace: the id is free. */
  begin(prepared: Prepared, given: GivenId): Found;
  /** Joins the trace that is in flight for the id. */
  join(trace: Trace, prepared: Prepared): Found;
  /** Receives what is kept of the id's trace. */
  tell(kept: KeptOutcome): Found;
}

/**
 * Begins a trace for a given id, or joins the one that was accepted for it. Settles later only if the store must be
 * read.
 *
 * @throws FlowError `ID_CONFLICT`, `NOT_SERIALISABLE`
 */
function admit<Found>(
  engine: Engine,
  input: unknown,
  options: EmitOptions,
  call: IdCall<Found>,
): Found | Promise<Found> {
  const prepared = prepare(engine, input, options);
  const { message } = prepared;
  const { traceId } = message;
  const { tenant } = message.headers;
  const { keptOutcomes, durable } = engine;
  const digest = digestOfInput(prepared, options);
  // finding out and beginning are one step: a wait between them would let a second call begin another trace
  const act = (stored: KeptOutcome | undefined): Found => {
    const trace = keptOutcomes.inFlight(tenant, traceId);
    const kept = trace === undefined ? (keptOutcomes.find(tenant, traceId) ?? stored) : undefined;
    const known = trace?.extras?.given ?? kept;
    if (known === undefined)
      return call.begin(prepared, { digest, keepMs: options.keepMs ?? DAY_MS, pending: undefined, end: undefined });
    if (known.digest !== undefined && known.digest !== digest)
      throw new FlowError({
        code: FlowErrorCode.ID_CONFLICT,
        message: `Cannot accept id "${traceId}": it was accepted with another input; give each input an id of its own`,
        traceId,
        tenant,
      });
    return trace === undefined ? call.tell(kept as KeptOutcome) : call.join(trace, prepared);
  };
  if (durable === undefined || keptOutcomes.isKnown(tenant, traceId)) return act(undefined);
  return keptOutcomes.stored(tenant, traceId).then(act);
}

/** Sends a message with a given id, and reports the next outcome of its trace. */
export async function outcomeOfId(
  engine: Engine,
  input: unknown,
  options: EmitOptions,
  told: (outcome: Outcome) => void,
  refuse: (error: unknown) => void,
): Promise<void> {
  await admit<unknown>(engine, input, options, {
    begin: (prepared, given) =>
      begin(engine, prepared, options, new OutcomeSink(engine.options.limits.maxResults, told), given),
    join(trace, { message }) {
      requireCallers(trace.isOpenEnded, trace.id);
      if (trace.lasting?.rest === "quiet") told(engine.pausing.resting.pausedOutcome(trace));
      else awaitOutcome(engine, trace, message.deadlineAt, options.signal, told, refuse);
    },
    tell({ isOpenEnded, traceId, outcome }) {
      requireCallers(isOpenEnded, traceId);
      told(outcome);
    },
  });
}

/**
 * Sends a message with a given id whose trace is read into `sink`. Returns the trace that ends with its reader;
 * `undefined` if others read it, too, or it has ended.
 */
export function streamOfId(
  engine: Engine,
  input: unknown,
  options: EmitOptions,
  sink: StreamSink,
  admitted: Admitted | undefined,
): Trace | undefined | Promise<Trace | undefined> {
  // chunks are for their reader alone, but the outcome must be whole
  sink.keepResults = engine.options.limits.maxResults;
  const end = (outcome: Outcome): void => {
    sink.begin(outcome.messages);
    if (outcome.status !== "paused") {
      sink.ended(outcome);
      return;
    }
    for (const pause of outcome.pauses) sink.pause(pause);
    sink.paused(outcome);
  };
  return admit<Trace | undefined>(engine, input, options, {
    begin(prepared, given) {
      const trace = begin(engine, prepared, options, sink, given);
      admitted?.resolve(given.pending);
      return trace;
    },
    join(trace, { message }) {
      requireCallers(trace.isOpenEnded, trace.id);
      admitted?.resolve(trace.extras?.given?.pending);
      if (trace.sink instanceof LeftSink) return engine.pausing.following.readInto(trace, sink);
      awaitOutcome(engine, trace, message.deadlineAt, options.signal, end, (error) => sink.fail(error));
      return undefined;
    },
    tell({ isOpenEnded, traceId, outcome }) {
      requireCallers(isOpenEnded, traceId);
      admitted?.resolve();
      end(outcome);
      return undefined;
    },
  });
}

/** Sends a message with a given id whose results are fetched. Resolves once it is accepted, now or earlier. */
export async function emitOfId(
  engine: Engine,
  input: unknown,
  options: EmitOptions,
  sinkFor: () => TraceSink,
): Promise<void> {
  const accepted = await admit<Pick<GivenId, "pending">>(engine, input, options, {
    begin(prepared, given) {
      const trace = begin(engine, prepared, options, sinkFor(), given, true);
      if (!trace.isOpen && given.end === undefined) throw trace.extras?.error as FlowError;
      return given;
    },
    join: (trace) => trace.extras?.given as GivenId,
    tell: () => ({ pending: undefined }),
  });
  await accepted.pending;
}

/** Begins the trace of a given id. */
function begin(
  engine: Engine,
  { message, edges }: Prepared,
  options: EmitOptions,
  sink: TraceSink,
  given: GivenId,
  isOpenEnded = false,
): Trace {
  engine.durable?.requireFitMessage(message);
  const trace = openTrace(engine, { message, idNumber: undefined }, options, sink, isOpenEnded);
  // its deadline has passed, or its signal was aborted before
  if (!trace.isOpen) return trace;
  trace.more.given = given;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  let isAccepted = false;
  const settle = (failure: Error | undefined): void => {
    if (failure !== undefined) {
      reject(failure);
      return;
    }
    isAccepted = true;
    given.pending = undefined;
    resolve();
  };
  if (isOpenEnded) engine.enterOpenEnded(trace, sealed(trace, message), edges).then(() => settle(undefined), reject);
  else if (engine.enter(trace, message, edges, settle)) isAccepted = true;
  if (!isAccepted && !trace.wasEntered && trace.isOpen) given.pending = promise;
  return trace;
}

/** Waits for the next outcome of a trace that another caller has begun. Leaving the wait does not end the trace. */
function awaitOutcome(
  engine: Engine,
  trace: Trace,
  deadlineAt: number | undefined,
  signal: AbortSignal | undefined,
  told: (outcome: Outcome) => void,
  refuse: (error: unknown) => void,
): void {
  const lasting = (trace.lasting ??= new Lasting());
  const releases: (() => void)[] = [];
  const watcher = (outcome: Outcome): void => {
    for (const release of releases) release();
    told(outcome);
  };
  const leave = (code: FlowErrorCode, why: string, cause?: unknown): void => {
    for (const release of releases) release();
    lasting.watchers = lasting.watchers.filter((each) => each !== watcher);
    const { id: traceId, tenant } = trace;
    const message = `Gave up waiting for trace "${traceId}", which goes on: ${why}`;
    refuse(new FlowError({ code, message, traceId, tenant, retryable: true, cause }));
  };
  lasting.watchers.push(watcher);
  if (deadlineAt !== undefined) {
    const leftMs = Math.max(0, deadlineAt - engine.clock.epochNow());
    const timer = engine.timers.after(leftMs, () =>
      leave(FlowErrorCode.WAIT_TIMEOUT, "the caller's deadline has passed"),
    );
    releases.push(() => timer.cancel());
  }
  if (signal !== undefined)
    releases.push(onAbort(signal, (cause) => leave(FlowErrorCode.WAIT_ABORTED, "its signal was aborted", cause)));
}

/** @throws TypeError if the results of an id's trace are to be fetched */
function requireCallers(isOpenEnded: boolean, traceId: string): void {
  if (!isOpenEnded) return;
  throw new TypeError(
    `Cannot wait for the outcome of id "${traceId}": it was sent by emit, so that its results go to fetch`,
  );
}

/** @throws FlowError `NOT_SERIALISABLE` if the input cannot be compared with another */
function digestOfInput({ message }: Prepared, { to }: EmitOptions): string {
  const { payload, headers, traceId } = message;
  try {
    const input = [payload, headers.topic, typeof to === "object" ? to.name : to];
    // digests that earlier releases have stored have no principal
    return digestOf(headers.principal === undefined ? input : [...input, headers.principal]);
  } catch (error) {
    throw new FlowError({
      code: FlowErrorCode.NOT_SERIALISABLE,
      message: `Cannot accept id "${traceId}": its input cannot be compared: ${describeThrown(error)}; send data`,
      traceId,
      tenant: headers.tenant,
      cause: error,
    });
  }
}
