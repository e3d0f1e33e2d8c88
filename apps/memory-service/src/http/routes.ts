import { z } from "zod";
import type { Level } from "../fragment.ts";
import type { FeedbackInput, ListQuery, NewFragment, RetrieveQuery } from "../requests.ts";
import { MemoryError } from "../memory-error.ts";
import { instant, level, name, type InputSchemas } from "../schemas.ts";
import type { JobState } from "../store/job-rows.ts";
import type { Call, Reply, Route } from "./route.ts";

const count = z.coerce.number().int().min(1);
const time = z.coerce.number().pipe(instant);

const ok = (body: unknown): Reply => ({ status: 200, body });

/** Returns the routes of the API. The memory checks all inputs once more: what it refuses has the places that are wrong. */
export function routesOf(schemas: InputSchemas): readonly Route[] {
  const fragment = schemas.fragments.element;
  const listQuery = z.strictObject({
    q: schemas.retrieve.shape.query.optional(),
    level: level.optional(),
    conversation: name.optional(),
    user: name.optional(),
    since: time.optional(),
    until: time.optional(),
    cursor: z.string().optional(),
    limit: count.optional(),
  });
  const eventsQuery = z.strictObject({
    fragment: name.optional(),
    cursor: z.string().optional(),
    limit: count.optional(),
  });
  const jobsQuery = z.strictObject({ state: z.enum(["waiting", "running", "dead"]).optional() });
  const grantee = ({ params }: Call) => ({ tenant: params["tenant"]!, user: params["user"]! });
  const id = ({ params }: Call): string => params["id"]!;
  return [
    {
      method: "POST",
      path: "/v1/fragments",
      summary: "Keeps one text, or up to 100: all or none",
      body: z.union([fragment, z.strictObject({ fragments: schemas.fragments })]),
      statuses: [200, 201],
      run: async ({ memory, body, signal, idempotencyKey }) => {
        const { fragments } = body as { readonly fragments?: readonly NewFragment[] };
        const kept = await memory.ingest(fragments ?? (body as NewFragment), { signal, idempotencyKey });
        return { status: kept.created ? 201 : 200, body: kept };
      },
    },
    {
      method: "GET",
      path: "/v1/fragments",
      summary: "Lists fragments, newest first; with q those that answer it, best first",
      query: listQuery,
      statuses: [200],
      run: async ({ memory, query, signal }) => {
        const { q, user: owner, ...rest } = query as z.output<typeof listQuery>;
        if (q === undefined) return ok(await memory.list({ ...rest, owner } satisfies ListQuery));
        const { cursor, ...filter } = rest;
        if (cursor !== undefined)
          throw new MemoryError("INVALID", "An answer to q has no pages", {
            issues: [{ path: ["cursor"], message: "expected none beside q" }],
          });
        const { items } = await memory.retrieve({ query: q, owner, ...filter }, { signal });
        return ok({ items });
      },
    },
    {
      method: "GET",
      path: "/v1/fragments/{id}",
      summary: "Reads a fragment, with its history and grants for its owner",
      statuses: [200],
      run: async (call) => ok(await call.memory.get(id(call))),
    },
    {
      method: "DELETE",
      path: "/v1/fragments/{id}",
      summary: "Erases a fragment; answered when its bytes are gone",
      statuses: [204],
      run: async (call) => {
        await call.memory.erase(id(call), { signal: call.signal });
        return { status: 204 };
      },
    },
    {
      method: "GET",
      path: "/v1/fragments/{id}/erasure",
      summary: "Says what erasing a fragment takes away, without doing it",
      statuses: [200],
      run: async (call) => ok(await call.memory.previewErasure(id(call))),
    },
    {
      method: "PUT",
      path: "/v1/fragments/{id}/level",
      summary: "Sets who may see a fragment",
      body: z.strictObject({ level }),
      statuses: [200],
      run: async (call) => {
        const { level: wanted } = call.body as { readonly level: Level };
        return ok(await call.memory.setPrivacy(id(call), wanted, { signal: call.signal }));
      },
    },
    {
      method: "PUT",
      path: "/v1/fragments/{id}/grants/{tenant}/{user}",
      summary: "Lets a user see a fragment",
      body: schemas.share,
      statuses: [200],
      run: async (call) => {
        const { expiresAt } = call.body as { readonly expiresAt?: number };
        return ok(await call.memory.share(id(call), grantee(call), { signal: call.signal, expiresAt }));
      },
    },
    {
      method: "DELETE",
      path: "/v1/fragments/{id}/grants/{tenant}/{user}",
      summary: "Takes a grant back",
      statuses: [200],
      run: async (call) => ok(await call.memory.unshare(id(call), grantee(call), { signal: call.signal })),
    },
    {
      method: "POST",
      path: "/v1/fragments/{id}/reinforce",
      summary: "Strengthens or weakens a fragment, once for each Idempotency-Key",
      body: z.strictObject({ value: schemas.reinforcement }),
      statuses: [200],
      run: async (call) => {
        const { value } = call.body as { readonly value: number };
        const { signal, idempotencyKey } = call;
        return ok(await call.memory.reinforce(id(call), value, { signal, idempotencyKey }));
      },
    },
    {
      method: "PUT",
      path: "/v1/fragments/{id}/superseded-by",
      summary: "Hides a fragment behind a newer one",
      body: z.strictObject({ id: schemas.id }),
      statuses: [200],
      run: async (call) => {
        const { id: by } = call.body as { readonly id: string };
        return ok(await call.memory.supersede(id(call), by, { signal: call.signal }));
      },
    },
    {
      method: "POST",
      path: "/v1/retrieve",
      summary: "Finds fragments that answer a query, with reasons",
      body: schemas.retrieve,
      statuses: [200],
      run: async ({ memory, body, signal }) => ok(await memory.retrieve(body as RetrieveQuery, { signal })),
    },
    {
      method: "POST",
      path: "/v1/federated-query",
      summary: "Asks other tenants, too, that have shared something; an answer may be partial",
      body: schemas.retrieve,
      statuses: [200],
      run: async ({ memory, body, signal }) => ok(await memory.federatedQuery(body as RetrieveQuery, { signal })),
    },
    {
      method: "POST",
      path: "/v1/feedback",
      summary: "Says whether a fragment has helped, or what the user said about what was recalled",
      body: schemas.feedback,
      statuses: [200],
      run: async ({ memory, body, signal }) => ok(await memory.feedback(body as FeedbackInput, { signal })),
    },
    {
      method: "GET",
      path: "/v1/events",
      summary: "Lists what happened to the own fragments, without their texts",
      query: eventsQuery,
      statuses: [200],
      run: async ({ memory, query }) => ok(await memory.events(query)),
    },
    {
      method: "GET",
      path: "/v1/jobs",
      summary: "Lists the embedding jobs of the own fragments, with their way to the current model",
      query: jobsQuery,
      statuses: [200],
      run: async ({ memory, query }) => ok(await memory.jobs((query as { readonly state?: JobState }).state)),
    },
    {
      method: "POST",
      path: "/v1/jobs/retry",
      summary: "Lets dead jobs wait again",
      statuses: [200],
      run: async ({ memory }) => ok(await memory.retryJobs()),
    },
    {
      method: "GET",
      path: "/v1/flows",
      summary: "Draws the flows, with counts of the own requests",
      statuses: [200],
      run: async ({ memory }) => ok({ flows: await memory.flows() }),
    },
    {
      method: "GET",
      path: "/v1/export",
      summary: "Streams the own fragments, one JSON object a line",
      statuses: [200],
      run: async ({ memory }) => await Promise.resolve({ status: 200, lines: memory.export() }),
    },
    {
      method: "GET",
      path: "/v1/users/me",
      summary: "Says for whom the request is answered: tenant, user and scopes",
      statuses: [200],
      run: async ({ memory }) => await Promise.resolve(ok(memory.principal)),
    },
    {
      method: "DELETE",
      path: "/v1/users/me",
      summary: "Erases everything of the user",
      statuses: [200],
      run: async ({ memory }) => ok(await memory.eraseUser()),
    },
    {
      method: "DELETE",
      path: "/v1/tenant",
      summary: "Erases the tenant, whose name is not given again; needs the scope admin",
      statuses: [204],
      run: async ({ memory }) => {
        await memory.eraseTenant();
        return { status: 204 };
      },
    },
  ];
}
