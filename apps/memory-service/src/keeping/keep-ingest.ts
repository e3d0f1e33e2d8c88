import type { ClassifiedIngest, PersistedIngest } from "../flows/ingest-stages.ts";
import { keptIngest } from "../flows/ingest-stages.ts";
import { MemoryError, notFound } from "../memory-error.ts";
import { followChange, type MemoryServices } from "../memory-services.ts";
import type { Rows } from "../store/rows.ts";
import { applyFeedback } from "./apply-feedback.ts";
import { rebuildContext } from "./context.ts";
import { keepOnce, saltOf } from "./keep-once.ts";

const MOST_SAME = 5;

/** An attempt to keep fragments. */
export interface KeepAttempt {
  readonly traceId: string;
  /** Whether an earlier attempt of the request may have kept them. */
  readonly isRepeated: boolean;
}

/** Keeps fragments with their context, events, jobs and feedback in one transaction (law M8). */
export async function keepIngest(
  services: MemoryServices,
  request: ClassifiedIngest,
  { traceId, isRepeated: mayBeKept }: KeepAttempt,
): Promise<PersistedIngest> {
  const { principal, idempotencyKey, body, now } = request;
  const { tenant, user } = principal;
  const model = services.models.current?.name;
  let mark: number | undefined;
  const { answer, isRepeated } = await services.store.write(tenant, async (rows) => {
    mark = undefined;
    // reads cannot make it, and need it: also of a tenant that another process has erased meanwhile
    await saltOf(rows);
    return await keepOnce(
      rows,
      { owner: user, operation: "ingest", idempotencyKey, body, now },
      (kept) => keptIngest.parse(kept),
      async (key) => {
        const earlier = mayBeKept ? await keptBefore(rows, request) : undefined;
        if (earlier !== undefined) return earlier;
        const supersedes = request.fragments.some((fragment) => fragment.supersedes !== undefined);
        const kept = await insertAll(rows, request, key, traceId);
        await rows.events.addEach(kept.seqs, { type: "created", actor: user, at: now, traceId });
        if (model !== undefined) await rows.jobs.add(kept.seqs, model, now);
        await requireRoom(rows, kept.seqs.at(-1) ?? 0, services.limits.fragments);
        await applyFeedback(rows, user, request.feedback, now, traceId);
        if (supersedes) mark = await rows.settings.bumpVectors();
        return { ids: kept.ids, same: kept.same, feedback: request.feedback.kind };
      },
    );
  });
  if (mark !== undefined) followChange(services, { tenant, mark, moved: true });
  return { principal, kept: answer, isRepeated, hasJobs: model !== undefined && !isRepeated };
}

/** Returns the answer when an earlier attempt of this request was committed and its answer lost. */
async function keptBefore(rows: Rows, { principal: { user }, fragments, feedback }: ClassifiedIngest) {
  const ids = fragments.map(({ id }) => id);
  const [first = ""] = ids;
  if ((await rows.fragments.ofOwner(user, first)) === undefined) return undefined;
  return { ids, same: [], feedback: feedback.kind };
}

async function insertAll(
  rows: Rows,
  { principal: { user }, fragments, now }: ClassifiedIngest,
  requestKey: string | undefined,
  traceId: string,
): Promise<{ ids: string[]; same: string[]; seqs: number[] }> {
  const same = new Set<string>();
  const seqs: number[] = [];
  for (const fragment of fragments) {
    const { conversation, supersedes } = fragment;
    const known = await rows.fragments.sameText(user, fragment.level, fragment.hash, MOST_SAME);
    for (const id of known) same.add(id);
    const position =
      conversation === undefined ? undefined : (await rows.fragments.lastPosition(user, conversation)) + 1;
    const row = {
      ...fragment,
      owner: user,
      conversation,
      position,
      source: fragment.source,
      createdAt: now,
      requestKey,
    };
    const seq = await rows.fragments.insert(row);
    seqs.push(seq);
    await rebuildContext(rows, row);
    if (supersedes !== undefined) await supersede(rows, user, supersedes, seq, now, traceId);
  }
  const ids = fragments.map(({ id }) => id);
  return { ids, same: [...same].filter((id) => !ids.includes(id)), seqs };
}

async function supersede(
  rows: Rows,
  owner: string,
  id: string,
  by: number,
  at: number,
  traceId: string,
): Promise<void> {
  const older = await rows.fragments.ofOwner(owner, id);
  if (older === undefined) throw notFound();
  await rows.fragments.setSuperseded(older.seq, by);
  await rows.events.add({ type: "superseded", seq: older.seq, owner, actor: owner, at, traceId });
}

/** Refuses what was kept beyond the limit: the transaction is undone. */
async function requireRoom(rows: Rows, last: number, most: number): Promise<void> {
  // counting a million rows takes milliseconds: only done when the last number may be too high
  if (last > most && (await rows.fragments.count()) > most)
    throw new MemoryError("TENANT_LIMIT", `The tenant keeps at most ${most} fragments`);
}
