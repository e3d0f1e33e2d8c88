import { Effect, Fiber, Queue } from "effect";
import { Envelope, type Payload } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

export const library = "effect";

interface Request {
  readonly message: Envelope;
  readonly settle: (payload: Payload) => void;
}

/**
 * Bounded queues between nodes, each node served by `fibersPerNode` fibers.
 *
 * Every choice is the fastest of those tried: `Effect.forever` over `flatMap` beats `Effect.gen`;
 * handlers are plain effects, not promises; a caller enters and leaves through a callback, which
 * costs less than one `Deferred` and one fiber per request.
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
        // As many requests are in flight as the queue holds, so that it always has room.
        const accepted = Queue.offerUnsafe(entry, { message: new Envelope(payload), settle });
        if (!accepted) reject(new Error("The first queue refused a request"));
      }),
    close: () => Effect.runPromise(Fiber.interruptAll([...fibers, sink])),
  };
}

export const linear = (setup: LinearSetup): Promise<LinearRig> => buildLinear(setup, 1);
