import { type Clock, systemClock } from "penguiflow";
import { EmbeddingModels } from "./embed/embedding-models.ts";
import type { Embedder } from "./embed/embedder.ts";
import type { Classifier } from "./feedback/classifier.ts";
import { patientClock } from "./idle.ts";
import { type MemoryLimits, resolveLimits } from "./limits.ts";
import { MemoryCore } from "./memory-core.ts";
import { handleOf, type MemoryHandle } from "./memory-handle.ts";
import { MemoryKeys } from "./memory-keys.ts";
import { type MemoryServices, Revocations } from "./memory-services.ts";
import { checkPrincipal, type Principal } from "./principal.ts";
import type { Reranker, Rollout } from "./retrieval/reranker.ts";
import type { MemoryStore } from "./store/memory-store.ts";
import { sqliteStore } from "./store/sqlite/sqlite-store.ts";
import type { MeasureListener, Sample } from "./telemetry/figures.ts";
import { Telemetry, type TelemetryOptions } from "./telemetry/telemetry.ts";
import { VectorIndex } from "./vector/vector-index.ts";
import { Worker } from "./worker/worker.ts";

/** Options of `openMemory`. */
export interface MemoryOptions extends TelemetryOptions {
  /** Folder of the SQLite files. @defaultValue in memory, gone with the process */
  readonly directory?: string | undefined;
  /** Another store, such as `postgresStore`; excludes `directory`. It is closed with the memory. */
  readonly store?: MemoryStore | undefined;
  /** Gives fragments their vectors. @defaultValue none: found by words alone */
  readonly embedder?: Embedder | undefined;
  /** Embedders whose vectors still answer while they are replaced. @defaultValue none */
  readonly formerEmbedders?: readonly Embedder[] | undefined;
  /** Orders candidates for a share of the users. @defaultValue the heuristic */
  readonly reranker?: Rollout<Reranker> | undefined;
  /** Judges feedback for a share of the users. @defaultValue rules */
  readonly classifier?: Rollout<Classifier> | undefined;
  /** Bounds that few services need to change. */
  readonly limits?: Partial<MemoryLimits> | undefined;
  /** Whether this process works off embedding jobs. @defaultValue true */
  readonly worker?: boolean | undefined;
  /** @defaultValue the machine's time */
  readonly clock?: Clock | undefined;
}

const OPTIONS: readonly string[] = [
  ...["directory", "store", "embedder", "formerEmbedders", "reranker", "classifier", "limits", "worker", "clock"],
  ...["logger", "onBusinessEvent", "salt"],
];

/**
 * Opens the memory: many tenants in one process, in one folder, offline.
 *
 * @example
 * ```ts
 * await using memory = await openMemory({ directory: "./memory" });
 * const ada = memory.as({ tenant: "local", user: "ada" });
 * await ada.ingest({ text: "The gate code is 4711.", level: "private" });
 * const { items } = await ada.retrieve({ query: "gate code" });
 * ```
 * @throws TypeError, RangeError for options that do not fit; Error when a file cannot be opened
 */
export async function openMemory(options: MemoryOptions = {}): Promise<Memory> {
  const unknown = Object.keys(options).filter((key) => !OPTIONS.includes(key));
  if (unknown.length > 0)
    throw new TypeError(`Unknown option "${unknown.join('", "')}" of openMemory: expected ${OPTIONS.join(", ")}`);
  if (options.store !== undefined && options.directory !== undefined)
    throw new TypeError('Options "store" and "directory" of openMemory exclude each other');
  const limits = resolveLimits(options.limits);
  const { directory, clock } = options;
  const store = options.store ?? sqliteStore({ directory, clock, openFiles: limits.openFiles, idleMs: limits.idleMs });
  try {
    const memory = new Memory(options, limits, store);
    await memory.begin();
    return memory;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The memory of all tenants. Made by `openMemory`; `await using` or `close` ends it. */
export class Memory implements AsyncDisposable {
  /** Keys by which callers of a server prove a principal. */
  readonly keys: MemoryKeys;
  readonly limits: MemoryLimits;
  readonly #core: MemoryCore;
  readonly #worker: Worker;
  readonly #hasWorker: boolean;
  #closed: Promise<void> | undefined;

  /** Internal: call `openMemory`. */
  constructor(options: MemoryOptions, limits: MemoryLimits, store: MemoryStore) {
    const { embedder, formerEmbedders = [], reranker, classifier, clock = systemClock, worker = true } = options;
    const services: MemoryServices = {
      store,
      limits,
      clock,
      reranker,
      classifier,
      index: new VectorIndex({
        maxBytes: limits.vectorBytes,
        idleMs: limits.idleMs,
        clock: options.clock ?? patientClock,
      }),
      models: new EmbeddingModels(embedder, formerEmbedders, store.catalog),
      telemetry: new Telemetry(options),
      revocations: new Revocations(),
      wake: (tenant) => {
        if (this.#hasWorker) this.#worker.wake(tenant);
      },
    };
    this.limits = limits;
    this.keys = new MemoryKeys(store.catalog, clock);
    this.#core = new MemoryCore(services);
    this.#worker = new Worker(services, this.#core.flows.embedding);
    this.#hasWorker = worker;
  }

  /** Internal: starts the worker. */
  async begin(): Promise<void> {
    if (this.#hasWorker) await this.#worker.start();
  }

  /**
   * Returns the memory of a principal that the caller has proven.
   *
   * @throws TypeError when tenant, user or scopes do not fit
   */
  as(principal: Principal): MemoryHandle {
    return handleOf(this.#core, checkPrincipal(principal));
  }

  /** Resolves once no embedding job is due. */
  async drained(): Promise<void> {
    await this.#worker.drained();
  }

  /** Returns figures for monitoring: requests, stages, fallbacks, jobs, bytes of vectors. No name is among them. */
  async figures(): Promise<readonly Sample[]> {
    const { telemetry, index } = this.#core.services;
    return [
      ...telemetry.samples(),
      { name: "memory_blocks_bytes", kind: "gauge", labels: {}, value: index.bytes },
      ...(await this.#worker.samples()),
    ];
  }

  /**
   * Tells a listener of what is counted and timed from now on, until the returned object is disposed; gauges are in
   * `figures`. One that throws is logged. Adapter: `observeMemory` of `@penguiflow/otel`.
   */
  onMeasured(listener: MeasureListener): Disposable {
    return this.#core.services.telemetry.listen(listener);
  }

  /** Refuses new requests, lets those in flight finish within `drainMs`, gives leases back and closes the store. */
  async close({ drainMs = 5_000 }: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(drainMs);
    await this.#closed;
  }

  /** Closes the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(drainMs: number): Promise<void> {
    await this.#worker.stop();
    await this.#core.stop(drainMs);
    this.#core.services.index.close();
    await this.#core.services.store.close();
  }
}
