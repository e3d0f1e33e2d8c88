import { type Cause, Effect, Fiber, Queue, Stream } from "effect";
import { Envelope, type Payload } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";
import type { WaitingRig, WaitingSetup } from "../workloads/waiting.ts";

export const library = "effect";

export const cannot = {
  validated: "checks with its own Schema, not with zod",
};

interface Request {
  readonly message: Envelope;
  readonly settle: (payload: Payload) => void;
}

/**
 * Builds bounded queues between nodes, each node served by `fibersPerNode` fibers.
 *
 * Every choice is the fastest of the alternatives: `Effect.forever` over `flatMap` beats `Effect.gen`; handlers are
 * plain effects, not promises; a caller enters and leaves through a callback, which is cheaper than a `Deferred` and a
 * fiber per request.
 */
export async function buildLinear({ nodes, window, tally }: LinearSetup, fibersPerNode: number): Promise<LinearRig> {
  const queues = await Effect.runPromise(
    Effect.all(Array.from({ length: nodes + 1 }, () => Queue.bounded<Request>(window))),
  );
  const handler = (request: Request) =>
    Effect.sync(() => {
      tally.hops += 1;
      return request;
    });
  const entry = queues[0]!;
  const exit = queues[nodes]!;
  const fibers = queues.slice(0, nodes).flatMap((inbox, index) => {
    const outbox = queues[index + 1]!;
    const step = Effect.flatMap(Effect.flatMap(Queue.take(inbox), handler), (request) => Queue.offer(outbox, request));
    return Array.from({ length: fibersPerNode }, () => Effect.runFork(Effect.forever(step)));
  });
  const answer = Effect.flatMap(Queue.take(exit), ({ message, settle }) => Effect.sync(() => settle(message.payload)));
  const sink = Effect.runFork(Effect.forever(answer));
  return {
    request: (payload) =>
      new Promise((settle, reject) => {
        // the queue holds as many requests as are in flight, so it always has room
        const accepted = Queue.offerUnsafe(entry, { message: new Envelope(payload), settle });
        if (!accepted) reject(new Error("The first queue refused a request"));
      }),
    close: () => Effect.runPromise(Fiber.interruptAll([...fibers, sink])),
  };
}

export const linear = (setup: LinearSetup): Promise<LinearRig> => buildLinear(setup, 1);

/** A request on its way through queues of its own kind. */
interface Asked<State, Answer> {
  readonly state: State;
  readonly settle: (answer: Answer) => void;
}

/** Starts fibers that take from a queue for ever. */
function serve<Item, Failure>(
  inbox: Queue.Queue<Item>,
  work: (item: Item) => Effect.Effect<unknown, Failure>,
  fibers = 1,
): readonly Fiber.Fiber<never, Failure>[] {
  const step = Effect.flatMap(Queue.take(inbox), work);
  return Array.from({ length: fibers }, () => Effect.runFork(Effect.forever(step)));
}

const makeQueue = <Item>(): Promise<Queue.Queue<Item>> => Effect.runPromise(Queue.unbounded<Item>());

const closing = (fibers: readonly Fiber.Fiber<unknown, unknown>[]) => () =>
  Effect.runPromise(Fiber.interruptAll(fibers)) as Promise<void>;

/** Builds a queue for each branch, and one in which the parts of all requests meet. */
export async function fanOut({ branches, tally }: FanOutSetup): Promise<FanOutRig> {
  interface Gathered extends Asked<Envelope, number> {
    readonly parts: number[];
  }
  const entry = await makeQueue<Gathered>();
  const stages = await Promise.all(Array.from({ length: branches }, () => makeQueue<Gathered>()));
  const join = await makeQueue<{ readonly asked: Gathered; readonly part: number }>();
  const totals = await makeQueue<Gathered>();
  const fibers = [
    ...serve(entry, (asked) => {
      tally.hops += 1;
      return Effect.forEach(stages, (stage) => Queue.offer(stage, asked), { discard: true });
    }),
    ...stages.flatMap((stage, branch) =>
      serve(stage, (asked) => {
        tally.hops += 1;
        return Queue.offer(join, { asked, part: asked.state.payload.id + branch });
      }),
    ),
    ...serve(join, ({ asked, part }) => {
      asked.parts.push(part);
      return asked.parts.length < branches ? Effect.void : Queue.offer(totals, asked);
    }),
    ...serve(totals, ({ parts, settle }) =>
      Effect.sync(() => {
        tally.hops += 1;
        settle(parts.reduce((sum, part) => sum + part, 0));
      }),
    ),
  ];
  return {
    request: (payload) =>
      new Promise((settle) => {
        Queue.offerUnsafe(entry, { state: new Envelope(payload), settle, parts: [] });
      }),
    close: closing(fibers),
  };
}

type LoopAnswer = Awaited<ReturnType<LoopRig["request"]>>;

/** Builds a node whose fiber puts the next state back into its own queue. */
export async function loop({ hops, tally }: LoopSetup): Promise<LoopRig> {
  const inbox = await makeQueue<Asked<LoopAnswer, LoopAnswer>>();
  const fibers = serve(inbox, ({ state, settle }) => {
    tally.hops += 1;
    const next = { id: state.id, hops: state.hops + 1 };
    return next.hops < hops ? Queue.offer(inbox, { state: next, settle }) : Effect.sync(() => settle(next));
  });
  return {
    request: ({ id }) =>
      new Promise((settle) => {
        Queue.offerUnsafe(inbox, { state: { id, hops: 0 }, settle });
      }),
    close: closing(fibers),
  };
}

/** Builds a line whose waiting node has as many fibers as its concurrency. */
export async function waiting({ nodes, concurrency, waitMs, gauge, tally }: WaitingSetup): Promise<WaitingRig> {
  const queues = await Promise.all(Array.from({ length: nodes }, () => makeQueue<Asked<Envelope, Payload>>()));
  const fibers = queues.flatMap((inbox, index) => {
    const onwards = (asked: Asked<Envelope, Payload>) => {
      tally.hops += 1;
      const next = queues[index + 1];
      if (next !== undefined) return Queue.offer(next, asked);
      return Effect.sync(() => asked.settle(asked.state.payload));
    };
    if (index !== nodes >> 1) return serve(inbox, onwards);
    const wait = Effect.gen(function* () {
      gauge.enter();
      yield* Effect.sleep(waitMs);
      gauge.leave();
    });
    return serve(inbox, (asked) => Effect.andThen(wait, onwards(asked)), concurrency);
  });
  return {
    request: (payload) =>
      new Promise((settle) => {
        Queue.offerUnsafe(queues[0]!, { state: new Envelope(payload), settle });
      }),
    close: closing(fibers),
  };
}

/** Starts 64 fibers, PenguiFlow's default concurrency of a node. */
export async function pending({ gate }: PendingSetup): Promise<PendingRig> {
  const inbox = await makeQueue<Asked<Envelope, Payload>>();
  const open = Effect.promise(() => gate);
  const answer = ({ state, settle }: Asked<Envelope, Payload>) =>
    Effect.andThen(
      open,
      Effect.sync(() => settle(state.payload)),
    );
  const fibers = serve(inbox, answer, 64);
  return {
    request: (payload) =>
      new Promise((settle) => {
        Queue.offerUnsafe(inbox, { state: new Envelope(payload), settle });
      }),
    close: closing(fibers),
  };
}

/** Builds a writer and a reader with a bounded queue between them, for each stream. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  return {
    read: (_, take) =>
      Effect.runPromise(
        Effect.gen(function* () {
          const queue = yield* Queue.bounded<string, Cause.Done>(64);
          yield* Effect.forkChild(
            Effect.gen(function* () {
              for (let index = 0; index < chunks; index += 1) yield* Queue.offer(queue, text(index));
              yield* Queue.end(queue);
            }),
          );
          yield* Stream.runForEach(Stream.fromQueue(queue), (chunk) => Effect.sync(() => take(chunk)));
        }),
      ),
    close: async () => {},
  };
}

const package_ = (): PackageRig => ({ module: "effect", names: ["Effect", "Fiber", "Queue"], close: async () => {} });
export { package_ as package };
