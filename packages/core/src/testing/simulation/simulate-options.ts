import type { FlowError } from "../../foundation/flow-error.ts";
import type { Random } from "../../foundation/random.ts";
import type { Message } from "../../message/message.ts";
import type { OutcomeStatus, PauseTicket } from "../../message/outcome.ts";
import type { CheckpointStore } from "../../ports/checkpoint-store.ts";
import type { RemoteTransport } from "../../ports/remote-transport.ts";
import type { FlowOptions } from "../../engine/flow-options.ts";
import type { Flow } from "../../flow/flow.ts";

/**
 * Options for `create` that make a flow run under simulation. They contain virtual time, a seeded scheduler and random
 * source. A recorder and an observer check the laws; a store and a bus have occasional faults. Further flows, such as
 * those behind a `LoopbackTransport`, take `clock`, `random` and `scheduler` alone.
 */
export type SimulationPorts = Required<
  Pick<
    FlowOptions,
    "clock" | "random" | "scheduler" | "recorder" | "middlewares" | "stateStore" | "messageBus" | "logger"
  >
>;

/** Further parts for building a simulated flow. */
export interface SimulationTools {
  readonly seed: number;
  /** Random numbers of the seed. */
  readonly random: Random;
  /** Wraps a transport whose calls fail, lose their answers and are slow, as determined by the seed. */
  readonly faulty: (transport: RemoteTransport) => RemoteTransport;
  /**
   * A checkpoint store on a slow disk, for a durable flow: `durability: durable({ checkpoints })`. The process
   * occasionally crashes, and another continues.
   */
  readonly checkpoints: CheckpointStore;
}

/** One request of a simulated run, and its result. */
export interface SimulatedRequest<Input, Result> {
  /** Payload of the request. */
  readonly input: Input;
  readonly tenant: string;
  readonly traceId: string;
  /** Status of the trace's outcome. */
  readonly status: OutcomeStatus;
  /** All messages that reached the Rookery, however the caller waited for them. */
  readonly results: readonly Result[];
  /** Reason why the trace did not complete. */
  readonly error: FlowError | undefined;
}

/** A signal that is sent into the trace of a simulated request. */
export interface SimulatedSignal {
  readonly name: string;
  readonly value: unknown;
}

/** Progress of a simulation after a seed. */
export interface SeedProgress {
  readonly seed: number;
  /** Number of seeds so far, this one included, and in all. */
  readonly done: number;
  readonly seeds: number;
  readonly requests: number;
  /** Number of handler calls. */
  readonly attempts: number;
  /** Number of requests by status. */
  readonly outcomes: Readonly<Partial<Record<OutcomeStatus, number>>>;
  /** Number of crashes of a durable flow's process. */
  readonly crashes: number;
  /** Number of faults by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Kinds of faults that could occur and have not, under any seed so far. */
  readonly neverOccurred: readonly string[];
  /** Violations, one line each; empty for a seed without. The simulation ends with them. */
  readonly broken: readonly string[];
}

/** Options of `simulate`. */
export interface SimulateOptions<Input, Result, Resources = unknown> {
  /**
   * Creates the flow: `(ports) => create(a.to(b), { ...ports })`. Called for each seed, and for each process that
   * continues a durable flow.
   */
  readonly flow: (ports: SimulationPorts, tools: SimulationTools) => Flow<Input, Result, Resources>;
  /** Creates the input of a request. It must use only the given random numbers. */
  readonly input: (random: Random, index: number) => NoInfer<Input> | Message<NoInfer<Input>>;
  /** Number of seeds to run, from 1 on, or a list of seeds. @defaultValue 100 */
  readonly seeds?: number | readonly number[];
  /** Maximum number of requests per run. @defaultValue 10 */
  readonly requests?: number;
  /** Value given to `flow.run({ resources })`. @defaultValue none */
  readonly resources?: NoInfer<Resources>;
  /**
   * Whether faults are injected: into handlers, store, bus, callers, and processes with a checkpoint store.
   * @defaultValue true
   */
  readonly faults?: boolean;
  /**
   * Answers a pause of a handler. It must use only the pause and the given random numbers. @defaultValue `true` each
   * time
   */
  readonly answer?: (pause: PauseTicket, random: Random) => unknown;
  /**
   * Returns signals to be sent into the trace of a request, at any time after its beginning. It must use only the given
   * random numbers. @defaultValue none
   */
  readonly signals?: (random: Random, index: number) => readonly SimulatedSignal[];
  /**
   * Receives the progress after each seed, also of one that breaks the flow. The next seed waits for the promise that it
   * returns. When it throws, the simulation rejects with its error. @defaultValue none
   */
  readonly onSeed?: (progress: SeedProgress) => void | Promise<void>;
  /** Throws when the results of a run are wrong. Called once all its requests have ended. @defaultValue none */
  readonly check?: (requests: readonly SimulatedRequest<NoInfer<Input>, NoInfer<Result>>[]) => void | Promise<void>;
}
