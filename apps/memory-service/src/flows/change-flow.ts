import { create, type Message, ModelRegistry, node } from "penguiflow";
import { z } from "zod";
import type { MemoryEventType } from "../event-type.ts";
import { notFound } from "../memory-error.ts";
import { followChange, type MemoryServices } from "../memory-services.ts";
import type { CheckedPrincipal } from "../principal.ts";
import { principal } from "../schemas.ts";
import type { StoredFragment } from "../store/fragment-rows.ts";
import type { Rows } from "../store/rows.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import type { VectorChange } from "../vector/vector-index.ts";

/** A request to change one fragment of the principal's own. */
export interface ChangeRequest {
  readonly principal: CheckedPrincipal;
  readonly id: string;
}

/** One transaction of a change. */
export interface ChangeScope {
  readonly rows: Rows;
  readonly now: number;
  readonly traceId: string;
  readonly services: MemoryServices;
  /** Key of the request's attempts, for changes that must not repeat with them. */
  readonly attemptKey: string;
}

/** Result of a change, and what must follow its commit. */
export interface Changed<Answer> {
  readonly answer: Answer;
  /** Types of the business events that it stands for; none when nothing has changed. */
  readonly events: readonly MemoryEventType[];
  readonly vectors?: Pick<VectorChange, "removed" | "moved"> | undefined;
}

/** Parts in which the flows that change one fragment differ. */
export interface ChangeDefinition<Request extends ChangeRequest, Answer> {
  readonly name: string;
  readonly request: z.ZodType<Request>;
  readonly answer: z.ZodType<Answer>;
  /** Changes the fragment, in one transaction; may run again after a failure. */
  readonly apply: (fragment: StoredFragment, request: Request, scope: ChangeScope) => Promise<Changed<NoInfer<Answer>>>;
  /** Runs after the commit, before the answer; may run again. */
  readonly after?: ((services: MemoryServices, request: Request) => Promise<void>) | undefined;
  /** Returns the answer for a fragment that an earlier attempt of the same request has deleted. */
  readonly whenGone?: (() => NoInfer<Answer>) | undefined;
}

/** Builds a flow `authorize → apply → finalize` over one fragment of the principal's own. */
export function changeFlow<Request extends ChangeRequest, Answer>(
  services: MemoryServices,
  definition: ChangeDefinition<Request, Answer>,
) {
  const { name, request, answer } = definition;
  const changed = z.object({ principal, id: z.string(), answer, events: z.array(z.string()).readonly() });
  const authorized = z.object({ request });
  const nodes = {
    authorize: authorizeNode<Request>(services),
    apply: applyNode(services, definition),
    finalize: finalizeNode<Answer>(services),
  };
  const flow = create(nodes.authorize.to(nodes.apply), nodes.apply.to(nodes.finalize), { name });
  const registry = new ModelRegistry()
    .register("authorize", request, authorized)
    .register("apply", authorized, changed)
    .register("finalize", changed, answer);
  return { flow, registry, nodes };
}

/** The request of a principal that may make it. */
export interface AuthorizedChange<Request> {
  readonly request: Request;
}

/** The answer, and the business events that it stands for. */
export interface AppliedChange<Answer> extends ChangeRequest {
  readonly answer: Answer;
  readonly events: readonly MemoryEventType[];
}

function authorizeNode<Request extends ChangeRequest>({ store }: MemoryServices) {
  return node(
    { name: "authorize", effects: "reads", policy: { timeoutMs: 1_000 } },
    async ({ payload }: Message<Request>): Promise<AuthorizedChange<Request>> => {
      const { tenant, user } = payload.principal;
      const own = await store.read(tenant, async ({ fragments }) => await fragments.ofOwner(user, payload.id));
      if (own === undefined) throw notFound();
      return { request: payload };
    },
  );
}

function applyNode<Request extends ChangeRequest, Answer>(
  services: MemoryServices,
  { apply, after, whenGone }: ChangeDefinition<Request, Answer>,
) {
  return node(
    { name: "apply", effects: "idempotent", policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 50 } },
    async (
      message: Message<AuthorizedChange<Request>>,
      { idempotencyKey: attemptKey },
    ): Promise<AppliedChange<Answer>> => {
      const { request } = message.payload;
      const { tenant, user } = request.principal;
      const now = services.clock.epochNow();
      const { changed, mark } = await services.store.write(tenant, async (rows) => {
        const fragment = await rows.fragments.ofOwner(user, request.id);
        const scope = { rows, now, traceId: message.traceId, services, attemptKey };
        const done = fragment === undefined ? goneAnswer(whenGone) : await apply(fragment, request, scope);
        return { changed: done, mark: done.vectors === undefined ? 0 : await rows.settings.bumpVectors() };
      });
      if (changed.vectors !== undefined) followChange(services, { tenant, mark, ...changed.vectors });
      await after?.(services, request);
      return { principal: request.principal, id: request.id, answer: changed.answer, events: changed.events };
    },
  );
}

function finalizeNode<Answer>({ telemetry }: MemoryServices) {
  const finalize = (message: Message<AppliedChange<Answer>>): Message<Answer> => {
    const { principal: actor, id, answer, events } = message.payload;
    const payload = {
      tenant: telemetry.hash(actor.tenant),
      actor: telemetry.hash(actor.user),
      fragment: telemetry.hash(id),
    };
    const told = events.map((type) => ({ event: `memory_event.${type}` as const, payload }));
    return message.with({ payload: answer, meta: withBusinessEvents(message.meta, told) });
  };
  return node({ name: "finalize", effects: "none" }, finalize);
}

function goneAnswer<Answer>(whenGone: (() => Answer) | undefined): Changed<Answer> {
  if (whenGone === undefined) throw notFound();
  return { answer: whenGone(), events: [] };
}
