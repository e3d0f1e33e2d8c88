import type { EmbeddingRequest, EmbeddingResponse } from "../flows/embedding-stages.ts";
import type { Orchestrator } from "../flows/orchestrator.ts";
import { MemoryError } from "../memory-error.ts";
import type { MemoryServices } from "../memory-services.ts";
import type { CheckedPrincipal } from "../principal.ts";
import { type ClaimedJob, JOB_STATES, type JobFigures } from "../store/job-rows.ts";
import type { Sample } from "../telemetry/figures.ts";
import { switchModel } from "./switch-model.ts";

const BATCH = 64;
const LEASE_MS = 60_000;
const MOST_ATTEMPTS = 8;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 600_000;
/** Fragments of a tenant that get a job at once, when they were kept without an embedder. */
const MISSING_AT_ONCE = 10_000;
/** Milliseconds that the worker waits after a request has left a job: those that follow share its batch. */
const GATHER_MS = 100;
/** Tenants whose batches are in work at once. */
const CONCURRENT = 8;
/** Milliseconds after which a tenant is looked at again though nothing woke it: another process may have left jobs. */
const LOOK_AGAIN_MS = 60_000;

/** The jobs of a tenant at the end of a turn, and the store's mark before they were counted. */
interface Rest {
  readonly mark: string | undefined;
  readonly figures: JobFigures;
}

type EmbeddingFlow = Orchestrator<EmbeddingRequest, EmbeddingResponse>;

/**
 * Works off embedding jobs. Tenants take turns; each has at most one batch in work, so that one whose embedder hangs
 * holds up no other (law M10).
 *
 * States of a tenant: idle → gathering (woken by a request) → queued (gathered, or due) → working → queued or idle.
 */
export class Worker {
  readonly #services: MemoryServices;
  readonly #flow: EmbeddingFlow;
  readonly #queued = new Set<string>();
  /** Real time, not the clock's: it decides what shares a batch, never when a job is due. */
  readonly #gathering = new Map<string, NodeJS.Timeout>();
  readonly #working = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, () => void>();
  readonly #stop = new AbortController();
  /** Tenants whose vectors are those of the current model. */
  readonly #switched = new Set<string>();
  /** Tenants whose fragments all have a vector or a job: new ones get their jobs when they are kept. */
  readonly #complete = new Set<string>();
  /** Tenants of whose jobs none was due at the end of their last turn. */
  readonly #atRest = new Map<string, Rest>();
  #settled: (() => void)[] = [];

  constructor(services: MemoryServices, flow: EmbeddingFlow) {
    this.#services = services;
    this.#flow = flow;
  }

  /** Begins with the jobs that earlier processes have left. */
  async start(): Promise<void> {
    if (this.#services.models.current === undefined) return;
    for (const tenant of await this.#services.store.catalog.tenants()) this.#enqueue(tenant);
  }

  /** Puts a tenant in line, once a moment for further jobs has passed. */
  wake(tenant: string): void {
    if (this.#services.models.current === undefined || this.#stop.signal.aborted) return;
    this.#atRest.delete(tenant);
    if (this.#gathering.has(tenant)) return;
    this.#gathering.set(
      tenant,
      setTimeout(() => {
        this.#gathering.delete(tenant);
        this.#enqueue(tenant);
      }, GATHER_MS),
    );
  }

  #enqueue(tenant: string): void {
    if (this.#stop.signal.aborted) return;
    this.#timers.get(tenant)?.();
    this.#timers.delete(tenant);
    this.#atRest.delete(tenant);
    this.#queued.add(tenant);
    this.#pump();
  }

  /** Resolves once no job is due. */
  async drained(): Promise<void> {
    if (this.#gathering.size + this.#queued.size + this.#working.size === 0) return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  /** Returns the figures of the queues of all tenants. */
  async samples(): Promise<readonly Sample[]> {
    const { store, clock, models } = this.#services;
    if (models.current === undefined) return [];
    const totals = { waiting: 0, running: 0, dead: 0 };
    let oldest = Number.POSITIVE_INFINITY;
    for (const tenant of await store.catalog.tenants()) {
      // a tenant at rest is not opened for it
      const figures =
        this.#atRest.get(tenant)?.figures ?? (await store.read(tenant, async (rows) => await rows.jobs.figures()));
      for (const state of JOB_STATES) totals[state] += figures[state];
      oldest = Math.min(oldest, figures.oldestDueAt ?? oldest);
    }
    const lag = Number.isFinite(oldest) ? Math.max(0, clock.epochNow() - oldest) : 0;
    return [
      ...JOB_STATES.map((state): Sample => ({
        name: "memory_jobs",
        kind: "gauge",
        labels: { state },
        value: totals[state],
      })),
      { name: "memory_job_lag_ms", kind: "gauge", labels: {}, value: lag },
    ];
  }

  /** Stops and gives the leases back. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("The worker stops"));
    for (const timer of this.#gathering.values()) clearTimeout(timer);
    this.#gathering.clear();
    this.#queued.clear();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    await Promise.all(this.#working.values());
  }

  #pump(): void {
    for (const tenant of this.#queued) {
      if (this.#working.size >= CONCURRENT) break;
      if (this.#working.has(tenant)) continue;
      this.#queued.delete(tenant);
      const work = this.#turn(tenant).finally(() => {
        this.#working.delete(tenant);
        this.#pump();
      });
      this.#working.set(tenant, work);
    }
    if (this.#gathering.size + this.#queued.size + this.#working.size > 0) return;
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  /** Works off one batch of a tenant, and queues it again if it has more. */
  async #turn(tenant: string): Promise<void> {
    try {
      const model = await this.#modelOf(tenant);
      if (model === undefined) return;
      const { store, clock } = this.#services;
      const now = clock.epochNow();
      const jobs = await store.write(tenant, async (rows) => {
        const claimed = await rows.jobs.claim(model, BATCH, now, now + LEASE_MS);
        if (claimed.length > 0 || this.#complete.has(tenant)) return claimed;
        const missing = await rows.jobs.addMissing(model, now, MISSING_AT_ONCE);
        if (missing === 0) this.#complete.add(tenant);
        return await rows.jobs.claim(model, BATCH, now, now + LEASE_MS);
      });
      if (jobs.length > 0) await this.#work(tenant, model, jobs);
      if (this.#stop.signal.aborted) return;
      if (jobs.length > 0) await this.#modelOf(tenant);
      // counting a long queue after each of its batches would take longer than the batches
      if (jobs.length === BATCH) {
        this.#queued.add(tenant);
        return;
      }
      const mark = store.changeMark?.(tenant);
      const { due, figures } = await store.read(tenant, async (rows) => ({
        due: await rows.jobs.nextDueAt(model),
        figures: await rows.jobs.figures(),
      }));
      if (due === undefined && !this.#isWoken(tenant)) this.#atRest.set(tenant, { mark, figures });
      this.#schedule(tenant, due);
    } catch (error) {
      // an erased tenant has nothing left to do
      if (error instanceof MemoryError && error.code === "FORBIDDEN") return;
      // the store failed: the leases end by themselves, and the tenant is looked at again
      this.#schedule(tenant, this.#services.clock.epochNow() + FIRST_DELAY_MS);
    }
  }

  #isWoken(tenant: string): boolean {
    return this.#queued.has(tenant) || this.#gathering.has(tenant);
  }

  /** Returns the model whose jobs are to be done, and leads the tenant to it. */
  async #modelOf(tenant: string): Promise<string | undefined> {
    const { current } = this.#services.models;
    if (current === undefined || this.#switched.has(tenant)) return current?.name;
    if (await switchModel(this.#services, tenant)) this.#switched.add(tenant);
    return current.name;
  }

  #schedule(tenant: string, dueAt: number | undefined): void {
    if (this.#stop.signal.aborted) return;
    const { clock } = this.#services;
    const delayMs = dueAt === undefined ? LOOK_AGAIN_MS : dueAt - clock.epochNow();
    if (delayMs <= 0) this.#queued.add(tenant);
    else
      this.#timers.set(
        tenant,
        clock.setTimer(() => this.#lookAgain(tenant), Math.min(delayMs, LOOK_AGAIN_MS)),
      );
  }

  /** Puts a tenant in line, unless it is at rest and no process has changed it: then its file stays closed. */
  #lookAgain(tenant: string): void {
    const { mark } = this.#atRest.get(tenant) ?? {};
    if (mark !== undefined && mark === this.#services.store.changeMark?.(tenant)) this.#schedule(tenant, undefined);
    else this.#enqueue(tenant);
  }

  /** Embeds a batch; if that fails, one job after the other, so that one bad text does not hold up the others. */
  async #work(tenant: string, model: string, jobs: readonly ClaimedJob[]): Promise<void> {
    const failure = await this.#embed(tenant, model, jobs);
    if (failure === undefined) return;
    if (this.#stop.signal.aborted) await this.#release(tenant, jobs);
    else if (jobs.length === 1 || failure === "timeout") await this.#fail(tenant, jobs, failure);
    else for (const job of jobs) await this.#work(tenant, model, [job]);
  }

  async #embed(tenant: string, model: string, jobs: readonly ClaimedJob[]): Promise<string | undefined> {
    const principal: CheckedPrincipal = { tenant, user: "worker", scopes: [] };
    try {
      await this.#flow.execute({ principal, model, jobs }, { signal: this.#stop.signal, timeoutMs: LEASE_MS - 5_000 });
      return undefined;
    } catch (error) {
      return kindOf(error);
    }
  }

  async #release(tenant: string, jobs: readonly ClaimedJob[]): Promise<void> {
    await this.#services.store.write(tenant, async (rows) => await rows.jobs.release(jobs.map(({ id }) => id)));
  }

  async #fail(tenant: string, jobs: readonly ClaimedJob[], error: string): Promise<void> {
    const { store, clock } = this.#services;
    const now = clock.epochNow();
    await store.write(tenant, async (rows) => {
      for (const { id, seq, attempts } of jobs) {
        const isDead = attempts >= MOST_ATTEMPTS;
        const delay = Math.min(FIRST_DELAY_MS * 2 ** (attempts - 1), LONGEST_DELAY_MS);
        // jitter keeps jobs that failed together from being tried together
        await rows.jobs.fail(id, error, isDead ? "never" : now + Math.ceil(delay * (0.5 + Math.random() / 2)));
        if (!isDead) continue;
        const [fragment] = await rows.fragments.bySeq([seq]);
        if (fragment === undefined) continue;
        const { owner } = fragment;
        await rows.events.add({
          type: "embedding_failed",
          seq,
          owner,
          actor: "worker",
          at: now,
          traceId: "worker",
          detail: { error },
        });
      }
    });
  }
}

/** Returns the kind of a failure, without its message, which may repeat a text. */
function kindOf(error: unknown): string {
  const chain: unknown[] = [];
  for (let at: unknown = error; at instanceof Error && chain.length < 8; at = at.cause) chain.push(at);
  const codes = chain.flatMap((one) => (hasCode(one) ? [one.code] : []));
  if (codes.includes("NODE_TIMEOUT") || codes.includes("DEADLINE_EXCEEDED")) return "timeout";
  const kind = chain.find(hasKind);
  return kind === undefined ? (codes.at(-1) ?? "error") : kind.kind;
}

function hasCode(value: unknown): value is { readonly code: string } {
  return typeof value === "object" && value !== null && "code" in value && typeof value.code === "string";
}

function hasKind(value: unknown): value is { readonly kind: string } {
  return typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string";
}
