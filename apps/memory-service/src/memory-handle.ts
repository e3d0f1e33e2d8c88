import { digest } from "./text/digest.ts";
import { readCursor, signCursor } from "./cursor.ts";
import { type DrawnFlow, flowDrawings } from "./flows/flow-drawings.ts";
import type { FeedbackResponse } from "./flows/feedback-stages.ts";
import type { IngestResponse } from "./flows/ingest-stages.ts";
import type { ExecuteOptions } from "./flows/orchestrator.ts";
import type { RetrieveRequest } from "./flows/retrieve-stages.ts";
import type { Fragment, FragmentDetail, Level, MemoryEvent } from "./fragment.ts";
import { eraseUser } from "./keeping/erase-user.ts";
import { type ErasurePreview, previewErasure } from "./keeping/preview-erasure.ts";
import { type Queue, queueOf } from "./keeping/queue-of.ts";
import { viewsOf } from "./keeping/views.ts";
import { notFound } from "./memory-error.ts";
import type { MemoryCore } from "./memory-core.ts";
import { type CheckedPrincipal, requireScope, type Scope } from "./principal.ts";
import type { FederatedRecall } from "./retrieval/answer-sources.ts";
import type { Recall } from "./retrieval/recall.ts";
import { stillSeen, whileSeen } from "./retrieval/still-seen.ts";
import { parseInput, type RetrieveInput } from "./schemas.ts";
import type { JobState } from "./store/job-rows.ts";
import type { Rows } from "./store/rows.ts";
import type { Viewer } from "./store/sight.ts";
import type {
  EventsQuery,
  FeedbackInput,
  ListQuery,
  NewFragment,
  Page,
  RequestOptions,
  RetrieveQuery,
  WriteOptions,
} from "./requests.ts";

const NEIGHBOURS_EVENTS = 50;
const EXPORT_PAGE = 100;

let make: (core: MemoryCore, principal: CheckedPrincipal) => MemoryHandle;

/** Makes the handle of a checked principal. */
export function handleOf(core: MemoryCore, principal: CheckedPrincipal): MemoryHandle {
  return make(core, principal);
}

/**
 * The memory of one principal, and the only way to it: no method takes a tenant or user to act for. Every method throws
 * a `MemoryError`; a fragment that the principal may not see is `NOT_FOUND`, as one that never was.
 */
export class MemoryHandle {
  readonly principal: CheckedPrincipal;
  readonly #core: MemoryCore;

  // only this module makes handles, so that a principal is always checked
  static {
    make = (core, principal) => new MemoryHandle(core, principal);
  }

  private constructor(core: MemoryCore, principal: CheckedPrincipal) {
    this.#core = core;
    this.principal = principal;
  }

  /**
   * Keeps one text, or up to 100: all or none. Resolves when they outlast the process. A text of more than 2,000
   * characters becomes several fragments, split at sentences.
   */
  async ingest(input: NewFragment | readonly NewFragment[], options: WriteOptions = {}): Promise<IngestResponse> {
    return await this.#request("write", async () => {
      const { schemas, flows } = this.#core;
      const fragments = Array.isArray(input)
        ? parseInput(schemas.fragments, input, ["fragments"])
        : [parseInput(schemas.fragments.element, input)];
      const idempotencyKey = parseInput(schemas.idempotencyKey, options.idempotencyKey, ["idempotencyKey"]);
      return await flows.ingest.execute({ principal: this.principal, fragments, idempotencyKey }, limitsOf(options));
    });
  }

  /** Finds fragments that answer a query, for a person or tool, and says why each came. */
  async retrieve(input: RetrieveQuery, options: RequestOptions = {}): Promise<Recall> {
    return await this.#recall(input, "recalled", options);
  }

  /** Finds fragments that help with an agent's turn; logged apart from what people ask for. */
  async autoRetrieve(input: RetrieveQuery, options: RequestOptions = {}): Promise<Recall> {
    return await this.#recall(input, "auto_recalled", options);
  }

  /** Finds fragments in the own tenant and in those from which some were shared with the principal. */
  async federatedQuery(input: RetrieveQuery, options: RequestOptions = {}): Promise<FederatedRecall> {
    return await this.#request("read", async () => {
      const { flows, services } = this.#core;
      const request = this.#retrieveRequest(input, "recalled");
      const { recall, checkedAt } = await flows.federatedQuery.execute(request, limitsOf(options));
      return await stillSeen(services, this.principal, recall, checkedAt);
    });
  }

  /** Returns a page of the fragments that the principal may see, newest first. */
  async list(input: ListQuery = {}): Promise<Page<Fragment>> {
    return await this.#request("read", async () => {
      const { cursor, limit, ...filter } = parseInput(this.#core.schemas.list, input);
      return await this.#read(async (rows, now) => {
        const bound = this.#bound("list", filter);
        const secret = await secretOf(rows);
        const [createdAt, id] = cursor === undefined ? [] : readCursor(secret, bound, cursor);
        const place = typeof createdAt === "number" && typeof id === "string" ? { createdAt, id } : undefined;
        const found = await rows.fragments.listForViewer(this.principal, filter, place, limit + 1, now);
        const page = found.slice(0, limit);
        const last = page.at(-1);
        const items = await viewsOf(rows, this.principal, page, now);
        const hasMore = found.length > limit && last !== undefined;
        return { items, next: hasMore ? signCursor(secret, bound, [last.createdAt, last.id]) : undefined };
      });
    });
  }

  /** Returns a fragment with its neighbours and, to its owner, its history and grants. */
  async get(id: string): Promise<FragmentDetail> {
    return await this.#request("read", async () => {
      parseInput(this.#core.schemas.id, id, ["id"]);
      return await this.#read(async (rows, now) => await detailOf(rows, this.principal, id, now));
    });
  }

  /** Sets the level of an own fragment. Leaving `shared` ends its grants. */
  async setPrivacy(
    id: string,
    level: Level,
    options: RequestOptions = {},
  ): Promise<{ level: Level; changed: boolean }> {
    return await this.#request("write", async () => {
      const request = { ...this.#own(id), level: parseInput(this.#core.schemas.level, level, ["level"]) };
      return await this.#core.flows.setPrivacy.execute(request, limitsOf(options));
    });
  }

  /** Lets a user of this or another tenant see an own fragment. A private one becomes `shared`. */
  async share(
    id: string,
    grantee: Viewer,
    options: RequestOptions & { readonly expiresAt?: number | undefined } = {},
  ): Promise<{ level: Level; changed: boolean }> {
    return await this.#request("share", async () => {
      const { schemas, flows } = this.#core;
      const { expiresAt } = parseInput(schemas.share, { expiresAt: options.expiresAt });
      const request = { ...this.#own(id), grantee: parseInput(schemas.grantee, grantee, ["grantee"]), expiresAt };
      return await flows.share.execute(request, limitsOf(options));
    });
  }

  /** Takes a grant back: nothing answered afterwards has the fragment. */
  async unshare(
    id: string,
    grantee: Viewer,
    options: RequestOptions = {},
  ): Promise<{ level: Level; changed: boolean }> {
    return await this.#request("share", async () => {
      const { schemas, flows } = this.#core;
      const request = { ...this.#own(id), grantee: parseInput(schemas.grantee, grantee, ["grantee"]) };
      return await flows.unshare.execute(request, limitsOf(options));
    });
  }

  /** Strengthens (up to 1) or weakens (down to -1) an own fragment; counts once per key. */
  async reinforce(id: string, value: number, options: WriteOptions = {}): Promise<{ strength: number }> {
    return await this.#request("write", async () => {
      const { schemas, flows } = this.#core;
      const idempotencyKey = parseInput(schemas.idempotencyKey, options.idempotencyKey, ["idempotencyKey"]);
      const request = { ...this.#own(id), value: parseInput(schemas.reinforcement, value, ["value"]), idempotencyKey };
      return await flows.reinforce.execute(request, limitsOf(options));
    });
  }

  /** Hides an own fragment from searches behind a newer one. */
  async supersede(
    id: string,
    by: string,
    options: RequestOptions = {},
  ): Promise<{ supersededBy: string; changed: boolean }> {
    return await this.#request("write", async () => {
      const request = { ...this.#own(id), by: parseInput(this.#core.schemas.id, by, ["by"]) };
      return await this.#core.flows.supersede.execute(request, limitsOf(options));
    });
  }

  /** Says whether a recalled fragment helped, or what the user said about what was recalled in a conversation. */
  async feedback(input: FeedbackInput, options: RequestOptions = {}): Promise<FeedbackResponse> {
    return await this.#request("write", async () => {
      const about = parseInput(this.#core.schemas.feedback, input);
      return await this.#core.flows.feedback.execute({ principal: this.principal, about }, limitsOf(options));
    });
  }

  /** Erases an own fragment. When it resolves, no file holds text, vector or digest of it. */
  async erase(id: string, options: RequestOptions = {}): Promise<void> {
    await this.#request("write", async () => {
      await this.#core.flows.erase.execute(this.#own(id), limitsOf(options));
    });
  }

  /** Says what erasing an own fragment would take away, without doing it. */
  async previewErasure(id: string): Promise<ErasurePreview> {
    return await this.#request("read", async () => {
      const own = this.#own(id);
      return await this.#read(async (rows, now) => await previewErasure(rows, own.principal.user, own.id, now));
    });
  }

  /** Erases everything of the principal's user; returns the number of fragments. */
  async eraseUser(): Promise<{ erased: number }> {
    return await this.#request("write", async () => ({ erased: await eraseUser(this.#core.services, this.principal) }));
  }

  /** Erases the whole tenant. Its name is not given again. Needs the scope `admin`. */
  async eraseTenant(): Promise<void> {
    await this.#request("admin", async () => {
      const { services } = this.#core;
      const { tenant } = this.principal;
      services.revocations.add();
      await services.store.eraseTenant(tenant);
      services.index.dropTenant(tenant);
      services.revocations.add();
    });
  }

  /** Returns a page of the facts about the principal's own fragments, newest first. */
  async events(input: EventsQuery = {}): Promise<Page<MemoryEvent>> {
    return await this.#request("read", async () => {
      const { cursor, limit, fragment } = parseInput(this.#core.schemas.events, input);
      return await this.#read(async (rows) => {
        const bound = this.#bound("events", { fragment });
        const secret = await secretOf(rows);
        const [before] = cursor === undefined ? [] : readCursor(secret, bound, cursor);
        const page = await rows.events.ofOwner(this.principal.user, {
          fragment,
          limit,
          before: typeof before === "number" ? before : undefined,
        });
        const next = page.next === undefined ? undefined : signCursor(secret, bound, [page.next]);
        return { items: page.events, next };
      });
    });
  }

  /** Returns the embedding jobs of the principal's fragments, and their way to the current model. */
  async jobs(state?: JobState): Promise<Queue> {
    return await this.#request("read", async () => {
      const { services } = this.#core;
      return await this.#read(async (rows) => await queueOf(services, rows, this.principal.user, state));
    });
  }

  /** Draws the flows, with counts of the principal's own requests since the process began. */
  async flows(): Promise<readonly DrawnFlow[]> {
    return await this.#request("read", async () => await Promise.resolve(flowDrawings(this.#core, this.principal)));
  }

  /** Lets the dead jobs of the principal's fragments wait again; returns their number. */
  async retryJobs(): Promise<{ retried: number }> {
    return await this.#request("write", async () => {
      const { services } = this.#core;
      const { tenant, user } = this.principal;
      const now = services.clock.epochNow();
      const retried = await services.store.write(tenant, async (rows) => await rows.jobs.retryDead(user, now));
      if (retried > 0) services.wake(tenant);
      return { retried };
    });
  }

  /** Yields the principal's own fragments, newest first, page by page. */
  async *export(): AsyncGenerator<Fragment, void, undefined> {
    let cursor: string | undefined;
    do {
      const limit = Math.min(EXPORT_PAGE, this.#core.services.limits.page);
      const page = await this.list({ owner: this.principal.user, cursor, limit });
      yield* page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  async #recall(input: RetrieveQuery, type: RetrieveRequest["type"], options: RequestOptions): Promise<Recall> {
    return await this.#request("read", async () => {
      const { flows, services } = this.#core;
      const request = this.#retrieveRequest(input, type);
      const { recall, checkedAt } = await flows.autoRetrieve.execute(request, limitsOf(options));
      return await stillSeen(services, this.principal, recall, checkedAt);
    });
  }

  #retrieveRequest(input: RetrieveQuery, type: RetrieveRequest["type"]): RetrieveRequest {
    const parsed: RetrieveInput = parseInput(this.#core.schemas.retrieve, input);
    const { query, limit, maxTokens, within, explain, ...filter } = parsed;
    return { principal: this.principal, query, limit, maxTokens, within, explain, filter, type };
  }

  #own(id: string): { principal: CheckedPrincipal; id: string } {
    return { principal: this.principal, id: parseInput(this.#core.schemas.id, id, ["id"]) };
  }

  #bound(kind: string, filter: object): string {
    const { tenant, user } = this.principal;
    return digest(JSON.stringify([kind, tenant, user, filter]));
  }

  async #read<Value>(work: (rows: Rows, now: number) => Promise<Value>): Promise<Value> {
    const { services } = this.#core;
    return await whileSeen(
      services.revocations,
      async () =>
        await services.store.read(this.principal.tenant, async (rows) => await work(rows, services.clock.epochNow())),
    );
  }

  async #request<Value>(scope: Scope, work: () => Promise<Value>): Promise<Value> {
    requireScope(this.principal, scope);
    return await this.#core.request(this.principal.tenant, work);
  }
}

/** Returns the secret of cursors. A tenant without one has kept nothing: it has no second page, and no cursor fits. */
async function secretOf(rows: Rows): Promise<string> {
  return (await rows.settings.get("salt")) ?? crypto.randomUUID();
}

function limitsOf({ signal, traceId, timeoutMs }: RequestOptions): ExecuteOptions {
  return { signal, traceId, timeoutMs };
}

async function detailOf(rows: Rows, viewer: Viewer, id: string, now: number): Promise<FragmentDetail> {
  const [found] = await rows.fragments.forViewer(viewer, [id], now);
  if (found === undefined) throw notFound();
  const { owner, conversation, position } = found;
  const isOwner = owner === viewer.user;
  const around =
    isOwner && conversation !== undefined && position !== undefined
      ? await rows.fragments.neighbours(owner, conversation, position)
      : [];
  const [view, ...neighbours] = await viewsOf(rows, viewer, [found, ...around], now);
  if (view === undefined) throw notFound();
  const grants = isOwner ? await rows.grants.of(found.seq) : [];
  const history = isOwner ? (await rows.events.ofOwner(owner, { fragment: id, limit: NEIGHBOURS_EVENTS })).events : [];
  return { ...view, neighbours, grants, history };
}
