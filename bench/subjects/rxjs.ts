import { setTimeout as sleep } from "node:timers/promises";
import { EMPTY, expand, filter, forkJoin, map, mergeMap, type Observable, Subject } from "rxjs";
import { Envelope, type Payload } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { WaitingRig, WaitingSetup } from "../workloads/waiting.ts";

export const library = "rxjs";

export const cannot = {
  validated: "checks nothing",
  streams: "calls its subscribers while the chunks are made: there is no stream to read",
};

/** PenguiFlow's default concurrency of a node. */
const concurrency = 64;

/** A request in the operators, with the callback for its answer. */
interface Asked<Answer> {
  readonly message: Envelope;
  readonly settle: (answer: Answer) => void;
}

/** Sends all requests through one pipe. */
function piped<Answer>(pipe: (asked: Observable<Asked<Answer>>) => Observable<[Asked<Answer>, Answer]>) {
  const asked = new Subject<Asked<Answer>>();
  const subscription = pipe(asked).subscribe(([{ settle }, answer]) => settle(answer));
  return {
    request: (payload: Payload) =>
      new Promise<Answer>((settle) => asked.next({ message: new Envelope(payload), settle })),
    async close() {
      subscription.unsubscribe();
    },
  };
}

type Worker = (asked: Asked<Payload>) => Promise<Asked<Payload>>;

/** Builds a `mergeMap` for each node. */
const chain = (workers: readonly Worker[]): LinearRig =>
  piped<Payload>((asked) =>
    workers
      .reduce((source, worker) => source.pipe(mergeMap(worker, concurrency)), asked)
      .pipe(map((one) => [one, one.message.payload])),
  );

export function linear({ nodes, tally }: LinearSetup): LinearRig {
  return chain(
    Array.from({ length: nodes }, () => async (asked: Asked<Payload>) => {
      tally.hops += 1;
      return asked;
    }),
  );
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const first = async (asked: Asked<number>) => {
    tally.hops += 1;
    return asked;
  };
  const stages = Array.from({ length: branches }, (_, branch) => async ({ message }: Asked<number>) => {
    tally.hops += 1;
    return message.payload.id + branch;
  });
  const total = async (asked: Asked<number>, parts: readonly number[]): Promise<[Asked<number>, number]> => {
    tally.hops += 1;
    return [asked, parts.reduce((sum, part) => sum + part, 0)];
  };
  return piped<number>((requests) =>
    requests.pipe(
      mergeMap(first, concurrency),
      mergeMap((asked) => forkJoin(stages.map((stage) => stage(asked))).pipe(mergeMap((parts) => total(asked, parts)))),
    ),
  );
}

type LoopAnswer = Awaited<ReturnType<LoopRig["request"]>>;

/** Builds an `expand`, which feeds the result of the step back to it. */
export function loop({ hops, tally }: LoopSetup): LoopRig {
  type Going = [Asked<LoopAnswer>, LoopAnswer];
  const step = async ([asked, state]: Going): Promise<Going> => {
    tally.hops += 1;
    return [asked, { id: state.id, hops: state.hops + 1 }];
  };
  return piped<LoopAnswer>((requests) =>
    requests.pipe(
      map((asked): Going => [asked, { id: asked.message.payload.id, hops: 0 }]),
      expand((going) => (going[1].hops < hops ? step(going) : EMPTY)),
      filter(([, state]) => state.hops === hops),
    ),
  );
}

/** Builds the line without a gate of its own: all nodes here have the wanted concurrency. */
export function waiting({ nodes, waitMs, gauge, tally }: WaitingSetup): WaitingRig {
  return chain(
    Array.from({ length: nodes }, (_, index) => async (asked: Asked<Payload>) => {
      tally.hops += 1;
      if (index !== nodes >> 1) return asked;
      gauge.enter();
      await sleep(waitMs);
      gauge.leave();
      return asked;
    }),
  );
}

export function pending({ gate }: PendingSetup): PendingRig {
  return chain([
    async (asked) => {
      await gate;
      return asked;
    },
  ]);
}

const package_ = (): PackageRig => ({ module: "rxjs", names: ["Subject", "map", "mergeMap"], close: async () => {} });
export { package_ as package };
