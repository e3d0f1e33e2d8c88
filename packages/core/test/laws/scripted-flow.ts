import {
  type AnyEdges,
  BudgetExhausted,
  type Clock,
  type Context,
  create,
  type FallbackContext,
  type Flow,
  type FlowNode,
  type FlowOptions,
  joinK,
  type Limiter,
  limiter,
  LoopbackTransport,
  type Message,
  node,
  type NodePolicy,
  payloadNode,
  predicateRouter,
  type RemoteTransport,
  ROOKERY,
  seededRandom,
  shape as typed,
  WM,
} from "penguiflow";
import { faultyRemoteTransport } from "../../src/testing/kit/faulty-adapters.ts";
import type { LimitSpec, NodeSpec, Shape } from "./run-spec.ts";
import {
  type Act,
  BUDGET_HOPS,
  count,
  type Deed,
  deedOf,
  fallsBack,
  goesRound,
  hashOf,
  keyOf,
  looks,
  type Output,
  type Parcel,
  STALL_MS,
} from "./script.ts";

/** Milliseconds of a sleep that processes do not survive often. */
const SLEEP_MS = 45;
/** Milliseconds from the creation of a message to the expiry of its questions. */
const EXPIRY_MS = 10;

type AnyFlow = Flow<unknown, unknown>;
type ScriptNode = FlowNode<string, unknown, unknown>;

declare module "penguiflow" {
  interface ChunkKinds {
    scripted: { readonly place: number };
  }
  interface AppEvents {
    "app.scripted": { readonly place: number };
  }
}

/** The recorded actions of a scripted flow's handlers. */
export interface HandlerLog {
  /** Number of times a message was handled to its end, by `keyOf`. */
  readonly returned: Map<string, number>;
  /** Number of active handlers, by place; handlers that wait for others do not count. */
  readonly active: number[];
  /** Number of active handlers of limited nodes; handlers that wait for others or a playbook do not count. */
  limited: number;
  /** Units that handlers have spent, by tenant and trace id. */
  readonly spent: Map<string, number>;
  readonly problems: string[];
  /** Number of injected faults, by kind. */
  readonly faults: Map<string, number>;
  /** Number of attempts begun. */
  handled: number;
  /** Items of each trace's log that some handler has read and others have committed. */
  readonly logged: Map<string, Set<string>>;
}

/** The recorded side effects of a scripted flow, in all its processes. */
export interface EffectLog {
  /** Number of times an effect took place, by its key. */
  readonly done: Map<string, number>;
}

/** Returns the node's name in a scripted flow. */
export const nameOf = (place: number): string => `n${place}`;

/** Returns the parcel in a node's input. */
export function parcelOf(payload: unknown): { readonly parcel: Parcel; readonly hops: number } {
  if (payload instanceof WM) return { parcel: payload.facts[0] as Parcel, hops: payload.hops };
  if (!Array.isArray(payload)) return { parcel: payload as Parcel, hops: 0 };
  const members = payload.map((member) => parcelOf(member).parcel);
  return {
    parcel: {
      id: `[${hashOf(members.map(({ id }) => id).join()).toString(36)}]`,
      fuel: Math.min(...members.map(({ fuel }) => fuel)),
    },
    hops: 0,
  };
}

/** Builds a flow whose handlers follow the script. */
export function scriptedFlow(
  shape: Shape,
  { clock }: { readonly clock: Clock },
  options: FlowOptions,
  effects?: EffectLog,
): { flow: AnyFlow; agent: AnyFlow; log: HandlerLog } {
  const log: HandlerLog = {
    returned: new Map(),
    active: shape.nodes.map(() => 0),
    limited: 0,
    spent: new Map(),
    problems: [],
    faults: new Map(),
    handled: 0,
    logged: new Map(),
  };
  const inner = effects === undefined ? innerFlow(shape, log) : lastingInnerFlow(shape, log);
  const { logger, random, scheduler } = options;
  const agent = innerFlow(shape, log, {
    name: "agent",
    clock,
    ...(logger && { logger }),
    ...(random && { random }),
    ...(scheduler && { scheduler }),
  });
  const transport = faultyRemoteTransport(new LoopbackTransport({ carry: agent }), {
    clock,
    random: seededRandom(shape.seed),
    rate: 0.4,
    onFault: (fault) => count(log.faults, `a call of the agent is ${fault}`),
  });
  // each process has its own: a permit held by a crashed one would never be returned
  const shared = shape.limits === undefined ? undefined : sharedLimiter(shape.limits);
  const nodes = shape.nodes.map((spec, place) =>
    scriptedNode(
      shape,
      spec,
      place,
      clock,
      log,
      inner,
      transport,
      effects,
      isLimited(shape, place) ? shared : undefined,
    ),
  );
  const edges = nodes.map((from, place) => {
    const targets = (shape.onward[place] as readonly number[]).map((target) => nodes[target]);
    if (shape.nodes[place]?.kind === "loop") targets.unshift(from);
    return (from as unknown as { to(...targets: unknown[]): AnyEdges }).to(...targets);
  });
  const flow = create(...edges, { ...options, clock }) as unknown as AnyFlow;
  return { flow, agent, log };
}

/** Whether a node shares the limiter of its run. A router has no policy. */
export function isLimited({ limits, nodes }: Shape, place: number): boolean {
  return limits !== undefined && ((limits.places >>> place) & 1) === 1 && nodes[place]?.kind !== "router";
}

function sharedLimiter({ concurrency, isKeyed }: LimitSpec): Limiter {
  return limiter({
    concurrency,
    ...(isKeyed ? { by: ({ payload }: Message) => parcelOf(payload).parcel.id } : {}),
  });
}

/** Creates the playbook of all nodes that call one, which is also the agent of remote nodes. */
function innerFlow(shape: Shape, log: HandlerLog, options: FlowOptions = {}): AnyFlow {
  const through = payloadNode({ name: "through", policy: { concurrency: 2 } }, (parcel: Parcel) => parcel);
  const dawdle = payloadNode({ name: "dawdle", policy: { concurrency: 2 } }, async (parcel: Parcel, ctx) => {
    const settle = spendSome(
      shape,
      log,
      `inner ${parcel.id}`,
      ctx,
      !shape.nodes.some((_, place) => fallsBack(shape, place)),
    );
    if (hashOf(parcel.id) % 3 === 0) await ctx.sleep(1);
    settle();
    return parcel;
  });
  return create(through.to(dawdle), { name: "inner", queueMaxSize: 1, ...options }) as unknown as AnyFlow;
}

/**
 * Spends part of the trace's budget, or reserves some of it. Returns a function that settles the reservation. Some
 * reservations are left to the end of their attempt. A refusal ends the trace, or is passed over.
 */
function spendSome(shape: Shape, log: HandlerLog, key: string, ctx: Context, mayEnd: boolean): () => void {
  const nothing = (): void => {};
  const draw = hashOf(`${shape.seed}|${key}|spends`);
  if (shape.budget === undefined || draw % 10 < 4) return nothing;
  const units = (1 + (draw % 3)) / 10;
  const note = (amount: number): void => count(log.spent, `${ctx.tenant} ${ctx.traceId}`, amount);
  const isSpent = draw % 4 === 0;
  try {
    if (isSpent) {
      ctx.budget.spend({ units });
      note(units);
      return nothing;
    }
    const reservation = ctx.budget.reserve({ units });
    if (draw % 4 === 1) return nothing;
    return () => {
      // the attempt may be over: its reservation has returned then
      if (ctx.signal.aborted) return;
      const used = draw % 8 < 4 ? units : 0.1;
      reservation.settle({ units: used });
      note(used);
    };
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
    if (isSpent) note(error.left);
    count(log.faults, "a budget runs out");
    if (mayEnd && draw % 5 === 0) throw error;
    return nothing;
  }
}

/**
 * Creates the playbook of a durable flow, whose messages may sleep, ask a question, or call a playbook of their own. All
 * of it depends on the parcel alone, and not on draws of the script.
 */
function lastingInnerFlow(shape: Shape, log: HandlerLog, depth = 1): AnyFlow {
  const deeper = depth < 3 ? lastingInnerFlow(shape, log, depth + 1) : undefined;
  const policy: NodePolicy = { concurrency: 2 };
  const through = payloadNode({ name: "through", policy }, (parcel: Parcel) => parcel);
  const linger = payloadNode({ name: "linger", policy }, async (parcel: Parcel, ctx) => {
    const fate = hashOf(`${parcel.id} at depth ${depth}`);
    if (deeper !== undefined && fate % 3 === 0) {
      const calls = fate % 2 === 0 ? ["a"] : ["a", "b"];
      const back = await Promise.all(calls.map((key) => ctx.callPlaybook(deeper, parcel, { key })));
      if (back.some((one) => (one as Parcel).id !== parcel.id)) log.problems.push("a playbook answered another caller");
      count(log.faults, "a playbook calls another");
    }
    if (fate % 4 === 0) {
      const reason = `may ${parcel.id} go on at depth ${depth}?`;
      const answer = await ctx.pause({ reason });
      if (answer !== reason) log.problems.push(`L10: "${reason}" was given the answer to "${String(answer)}"`);
    }
    if (fate % 4 === 1) await ctx.sleep(SLEEP_MS, { name: "linger" });
    const mayEnd = !shape.nodes.some((_, place) => fallsBack(shape, place));
    const settle = spendSome(shape, log, `inner ${depth} ${parcel.id}`, ctx, mayEnd);
    if (fate % 4 === 2) await ctx.sleep(1);
    settle();
    if (fate % 5 === 0) {
      await ctx.log.append([depth]);
      const logged = await ctx.log.read();
      if (logged.length !== 1 || logged[0] !== depth) log.problems.push(`L10: a playbook reads ${logged.join()}`);
    }
    return parcel;
  });
  return create(through.to(linger), { name: "inner", queueMaxSize: 1 }) as unknown as AnyFlow;
}

function scriptedNode(
  shape: Shape,
  spec: NodeSpec,
  place: number,
  clock: Clock,
  log: HandlerLog,
  inner: AnyFlow,
  transport: RemoteTransport,
  effects: EffectLog | undefined,
  shared: Limiter | undefined,
): ScriptNode {
  const { concurrency, ordering, maxRetries, backoffBaseMs, timeoutMs, kind, gather } = spec;
  const name = nameOf(place);
  const fixed = { concurrency, ordering, jitter: 0, ...(shared === undefined ? {} : { limiter: shared }) };
  const limits = {
    maxRetries,
    backoffBaseMs,
    timeoutMs,
    // within the range of the backoffs, so that the runs take as long as before
    retryAfterMs: (): number | undefined => (hashOf(`${shape.seed}|${place}|states`) % 3 === 0 ? 4 : undefined),
    onFailed: fallsBack(shape, place) ? fallBack : undefined,
  };
  const policy: NodePolicy<unknown, unknown> = looks(shape, place)
    ? { ...fixed, maxRetries: 9, perMessage: looking }
    : { ...fixed, ...limits };
  const sleepOnClock = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(() => resolve(), ms));

  const atWork = new Set<string>();
  /** Counts a handler's work as active; at an ordered node a trace may be active only once. */
  const entered = <Value>({ id }: Parcel, work: () => Value | Promise<Value>): Value | Promise<Value> => {
    const trace = /^t\d+/.exec(id)?.[0];
    // a handler that has timed out, or has outlived its trace, may be active beside the next
    const isOrdered = trace !== undefined && ordering === "trace" && timeoutMs === undefined && kind !== "remote";
    if (isOrdered && atWork.has(trace)) log.problems.push(`L4: ${name} handles two messages of ${trace} at once`);
    if (isOrdered) atWork.add(trace);
    log.handled += 1;
    log.active[place]! += 1;
    if (shared !== undefined) log.limited += 1;
    const left = (): void => {
      log.active[place]! -= 1;
      if (shared !== undefined) log.limited -= 1;
      if (isOrdered) atWork.delete(trace);
    };
    try {
      const value = work();
      if (!(value instanceof Promise)) {
        left();
        return value;
      }
      return value.finally(left);
    } catch (error) {
      left();
      throw error;
    }
  };
  const failing = (deed: Deed, attempt: number, sleep: (ms: number) => Promise<void>): Promise<void> | undefined => {
    if (attempt > deed.failures) return undefined;
    count(log.faults, deed.failsBy === "throw" ? "a handler throws" : "a handler stalls");
    if (deed.failsBy === "throw") throw new Error(`Attempt ${attempt} of "${name}" fails as planned`);
    return sleep(STALL_MS);
  };

  if (kind === "join") {
    const countOf = (first: Message): number => {
      if (gather.isFaulty && hashOf(parcelOf(first.payload).parcel.id) % 4 === 0) throw new Error("Cannot count");
      return gather.count;
    };
    return joinK(name, countOf, {
      input: typed<unknown>(),
      whenShort: gather.whenShort,
      ...(gather.timeoutMs === undefined ? {} : { timeoutMs: gather.timeoutMs }),
      ...(gather.timeoutMs === undefined || gather.whenShort === "fail" ? {} : { late: gather.late }),
      policy: { concurrency, ordering },
    });
  }
  if (kind === "router") {
    return predicateRouter(name, (message: Message, ctx) => {
      const { parcel } = parcelOf(message.payload);
      const deed = deedOf(shape, place, parcel, 0);
      return entered(parcel, async () => {
        for (const [index, act] of deed.acts.entries()) {
          if (index === deed.failsAt) await failing(deed, ctx.attempt, (ms) => ctx.sleep(ms));
          if (act.act !== "emit") await perform(act, ctx);
        }
        if (deed.failsAt >= deed.acts.length) await failing(deed, ctx.attempt, (ms) => ctx.sleep(ms));
        count(log.returned, keyOf(place, parcel.id, 0));
        const [output] = deed.acts.flatMap((act) => (act.act === "emit" ? [act.output] : []));
        return output?.to?.map(nameOf);
      });
    });
  }
  if (kind === "bare") {
    return node({ name, policy }, (message: Message) => {
      const { parcel } = parcelOf(message.payload);
      const deed = deedOf(shape, place, parcel, 0);
      return entered(parcel, () => {
        const isQuick = deed.acts.length === 0 && deed.failures === 0;
        const value = valueOf(deed.returns, message);
        if (!isQuick) return inTime();
        count(log.returned, keyOf(place, parcel.id, 0));
        return value;

        async function inTime(): Promise<unknown> {
          for (const act of deed.acts) await ("ms" in act ? sleepOnClock(act.ms) : undefined);
          await failing(deed, 1, sleepOnClock);
          count(log.returned, keyOf(place, parcel.id, 0));
          return value;
        }
      });
    });
  }
  const handler = (message: Message, ctx: Context): unknown => {
    const { parcel, hops } = parcelOf(message.payload);
    const deed = deedOf(shape, place, parcel, hops);
    const value = valueOf(deed.returns, message);
    const lasting = effects === undefined ? 0 : hashOf(`${shape.seed}|${place}|${parcel.id}|${hops}|lasting`) % 100;
    const logs = shape.seed % 7 === 2 && hashOf(`${shape.seed}|${place}|${parcel.id}|${hops}|logs`) % 100 >= 50;
    const hears =
      effects === undefined || !shape.hasSignals
        ? 0
        : hashOf(`${shape.seed}|${place}|${parcel.id}|${hops}|hears`) % 100;
    if (Array.isArray(message.payload)) checkGroup(message.payload as Parcel[]);
    return entered(parcel, () => {
      const isQuick = deed.acts.length === 0 && ctx.attempt > deed.failures && kind !== "playbook" && kind !== "remote";
      if (!isQuick || lasting >= 70 || logs || hears >= 60) return inTime();
      count(log.returned, keyOf(place, parcel.id, hops));
      return value;

      async function inTime(): Promise<unknown> {
        const settle = spendSome(shape, log, `${place} ${parcel.id} ${hops}`, ctx, !fallsBack(shape, place));
        if (logs) await noteDown(ctx);
        if (effects !== undefined && lasting >= 80) await doOnce(`${place} ${parcel.id} ${hops}`, ctx, effects);
        if (lasting >= 90) await askAround(parcel, ctx, lasting >= 95);
        if (lasting >= 70 && lasting < 80) await sleepLong(parcel, ctx, lasting < 73);
        if (hears >= 60) await hear(parcel, ctx, hears >= 90);
        for (const [index, act] of deed.acts.entries()) {
          if (index === deed.failsAt) await failing(deed, ctx.attempt, (ms) => ctx.sleep(ms));
          await perform(act, ctx);
        }
        if (deed.failsAt >= deed.acts.length) await failing(deed, ctx.attempt, (ms) => ctx.sleep(ms));
        if (kind === "playbook") {
          const back = await unlimited(ctx.callPlaybook(inner, parcel));
          if ((back as Parcel).id !== parcel.id) log.problems.push(`${name}: the playbook answered another caller`);
        }
        if (kind === "remote") await callAgent(parcel, ctx);
        settle();
        count(log.returned, keyOf(place, parcel.id, hops));
        return value;
      }
    });
  };
  const loops = kind === "loop" ? { allowCycle: true } : {};
  return node({ name, policy, ...loops }, handler);

  /** Returns the limits for a message. Only they apply, and none of the node's own. */
  function looking(message: Message) {
    if (parcelOf(message.payload).parcel.id === "") log.problems.push(`${name}: its policy was asked without a parcel`);
    count(log.faults, "a policy looks at the message");
    return limits;
  }

  /** Returns the value that replaces a failure, at once or later. */
  function fallBack(_error: unknown, message: Message, ctx: FallbackContext): unknown {
    const { parcel, hops } = parcelOf(message.payload);
    const replace = (): unknown => {
      count(log.faults, "a failure becomes a value");
      count(log.returned, keyOf(place, parcel.id, hops));
      return valueOf(deedOf(shape, place, parcel, hops).fallback, message);
    };
    return hashOf(`${parcel.id}|${hops}|later`) % 3 === 0 ? ctx.sleep(1).then(replace) : replace();
  }

  /** Appends to the trace's log, which must have nothing of earlier attempts and all that was committed. */
  async function noteDown({ idempotencyKey: own, log: traceLog }: Context): Promise<void> {
    const trace = own.slice(0, own.lastIndexOf("-"));
    const before = await traceLog.read<string>();
    const length = await traceLog.append([own, "more"]);
    const upTo = await traceLog.read<string>(length);
    if (before.includes(own)) log.problems.push(`L10: ${name}: the log has an item of an attempt that failed`);
    if (upTo.filter((item) => item === own).length !== 1) log.problems.push(`L10: ${name}: an item is not in the log`);
    const known = log.logged.get(trace) ?? new Set();
    for (const item of known)
      if (!before.includes(item)) log.problems.push(`L10: ${name}: a committed item has left the log`);
    log.logged.set(trace, new Set(before));
    count(log.faults, "a handler logs");
  }

  /** Performs a side effect that takes some time and must not take place twice. */
  async function doOnce(key: string, ctx: Context, { done }: EffectLog): Promise<void> {
    const run = async (effectKey: string): Promise<string> => {
      count(done, effectKey);
      if (hashOf(key) % 2 === 0) await sleepOnClock(2);
      return key;
    };
    const ifUnknown = (): string => {
      count(log.faults, "the outcome of an effect is unknown");
      return key;
    };
    const keep = hashOf(`${shape.seed}|${key}|keep`) % 3 === 0 ? "message" : "trace";
    const value = await aside(ctx.once(key, run, { ifUnknown, keep }));
    if (value !== key) log.problems.push(`L10: ${name}: the effect "${key}" gave ${value}`);
  }

  /** Sleeps parked, once or twice in an order that changes from call to call. */
  async function sleepLong({ id }: Parcel, ctx: Context, sleepsTwice: boolean): Promise<void> {
    const lengths = [SLEEP_MS, ...(sleepsTwice ? [2 * SLEEP_MS] : [])];
    if (log.handled % 2 === 0) lengths.reverse();
    for (const ms of lengths) {
      await aside(ctx.sleep(ms, { name: `${ms} ms for ${id}` }));
      count(log.faults, "a sleep is over");
    }
  }

  /**
   * Asks one question or two, in an order that changes from call to call. Each has its own answer. Some expire, which
   * gives the same answer: a late one is refused.
   */
  async function askAround(parcel: Parcel, ctx: Context, asksTwo: boolean): Promise<void> {
    const reasons = [`may ${parcel.id} go on?`, ...(asksTwo ? [`by when may ${parcel.id} go on?`] : [])];
    if (log.handled % 2 === 0) reasons.reverse();
    for (const reason of reasons) {
      const ifExpired = (): string => {
        count(log.faults, "a pause expires");
        return reason;
      };
      const expires = hashOf(reason) % 2 === 0 ? { expiresAt: ctx.message.createdAt + EXPIRY_MS, ifExpired } : {};
      const answer = await aside(ctx.pause({ reason, payload: parcel, ...expires }));
      if (answer !== reason) log.problems.push(`L10: ${name}: "${reason}" was given the answer to "${String(answer)}"`);
    }
  }

  /** Receives the signals that are there, or waits for one or two. */
  async function hear({ id }: Parcel, ctx: Context, isTaking: boolean): Promise<void> {
    const signals = ctx.signals<{ readonly to: string }>(hashOf(id) % 3 === 0 ? "turn" : "word", {
      expiresAt: ctx.message.createdAt + SLEEP_MS,
    });
    const received = isTaking ? signals.take() : [];
    for (let left = isTaking ? 0 : 1 + (hashOf(id) % 2); left > 0; left -= 1) {
      const { done, value } = await aside(signals.next());
      if (done) {
        count(log.faults, "a wait for a signal expires");
        break;
      }
      received.push(value);
    }
    for (const { to } of received) {
      count(log.faults, "a signal is received");
      if (id.startsWith("t") && id.split("/")[0] !== to)
        log.problems.push(`L11: ${name}: the message ${id} received a signal for ${to}`);
    }
  }

  /** Calls until there is an answer. */
  async function callAgent(parcel: Parcel, ctx: Context): Promise<void> {
    const { idempotencyKey, signal } = ctx;
    const message = ctx.message.with({ payload: parcel });
    for (;;) {
      try {
        const request = { message, skill: "carry", agentUrl: "agent", idempotencyKey, signal };
        const { result } = await transport.send(request);
        if ((result as Parcel).id !== parcel.id) log.problems.push(`L11: ${name}: the agent answered another caller`);
        return;
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
  }

  async function perform(act: Act, ctx: Context): Promise<void> {
    switch (act.act) {
      case "tick":
        await Promise.resolve();
        return;
      case "sleep":
        await ctx.sleep(act.ms);
        return;
      case "ignore signal":
        count(log.faults, "a handler ignores its signal");
        await sleepOnClock(act.ms);
        return;
      case "chunk":
        if (act.text === "1") {
          ctx.tell({ type: "app.scripted", data: { place } });
          await aside(ctx.emitChunk({ kind: "scripted", data: { place } }));
        } else await aside(ctx.emitChunk({ text: act.text }));
        return;
      case "fetch":
        await aside(ctx.fetch({ timeoutMs: 13 }).catch(onlyWhenNothingComes));
        return;
      case "emit":
        await send(act.output, act.waits, ctx);
    }
  }

  async function send(output: Output, waits: boolean, ctx: Context): Promise<void> {
    const to =
      output.to === undefined
        ? {}
        : { to: output.to.length === 0 ? ROOKERY : output.to.map((target) => nameOf(target)) };
    const value = valueOf(output, ctx.message);
    if (!waits) {
      try {
        ctx.emitNowait(value, to);
        return;
      } catch (error) {
        if ((error as { code?: unknown }).code !== "QUEUE_FULL") throw error;
      }
    }
    await aside(ctx.emit(value, to));
  }

  /** Releases the slot of a handler while it waits for others. */
  async function aside<Value>(wait: Promise<Value>): Promise<Value> {
    log.active[place]! -= 1;
    try {
      return await unlimited(wait);
    } finally {
      log.active[place]! += 1;
    }
  }

  /** Releases the permit of a handler while it waits for others or a playbook. */
  async function unlimited<Value>(wait: Promise<Value>): Promise<Value> {
    if (shared === undefined) return await wait;
    log.limited -= 1;
    try {
      return await wait;
    } finally {
      log.limited += 1;
    }
  }

  function checkGroup(members: readonly Parcel[]): void {
    const from = shape.onward.flatMap((targets, source) => (targets.includes(place) ? [shape.nodes[source]] : []));
    const fits = from.some(
      (source) =>
        source?.kind === "join" && (members.length === source.gather.count || source.gather.whenShort === "emit"),
    );
    if (!fits && shape.nodes.every((other) => other.kind !== "router"))
      log.problems.push(`${name}: got a group of ${members.length} that no join before it makes`);
  }
}

function onlyWhenNothingComes(error: unknown): void {
  const { code } = error as { code?: unknown };
  if (code !== "WAIT_TIMEOUT" && code !== "FETCH_STARVED") throw error;
}

/** Returns the value that a handler sends for an output: occasionally a message, otherwise a bare payload. */
function valueOf(output: Output | undefined, message: Message): unknown {
  if (output === undefined) return undefined;
  const { parcel } = output;
  if (!goesRound(output)) return parcel.id.length % 2 === 0 ? parcel : message.with({ payload: parcel });
  const hops = message.payload instanceof WM ? message.payload.hops : 0;
  return new WM({ query: parcel.id, facts: [parcel], hops, budgetHops: BUDGET_HOPS });
}
