import { FlowError, payloadNode, type Position } from "penguiflow";
import { byJob, type Feature, type Observed, type Report, sleep } from "../feature.ts";
import { type Job, jobId, jobOf, type Result, valueOf } from "../jobs.ts";

const LANES = 2;
const HOUR_MS = 3_600_000;
/** Number of items that a life reads again, as a reader that was told its position too late. */
const REPEATED = 2;
/** Most items of a lane that are read beyond one that is not taken yet. */
const AHEAD = 20;

/** Returns the job of an item of the intake. */
const itemId = (lane: number, sequence: number): number => jobId(0, sequence * LANES + lane);

const placeOf = (id: number): Position => ({ lane: id % LANES, sequence: Math.floor(id / LANES) });

/** Whether an item is a command, which begins no trace. */
const isCommand = ({ chunks }: Job): boolean => chunks === 3;

/** Returns the exclusive key of an item, if it has one. It holds up the items behind it while it waits. */
const keyOf = ({ hops }: Job): string | undefined => (hops === 1 ? "intake" : undefined);

/** Whether an item's trace outlives its deadline, and has no result. */
const isLate = ({ hasDeadline, route }: Job): boolean => hasDeadline && route === "think";

/**
 * Items of an intake without an end, read in lanes from the position that is stored. Their outcomes go to an outbox,
 * which refuses some at first. Pauses are answered with the tokens that the outbox was given.
 */
export const intake: Feature = {
  observes: ["accepted", "known", "commanded", "read on", "delivered", "refused", "settled", "asked", "answered"],
  counts: (job) => (isLate(job) || isCommand(job) ? undefined : { intake: 1, conclude: 1 }),
  part: ({ seed, life, isLast, flow, affect, tell, tellResult, problem, conclude }) => {
    const node = payloadNode(
      { name: "intake", policy: { concurrency: 16 } },
      async (job: Job, ctx): Promise<Report> => {
        if (isLate(job)) await ctx.sleep(HOUR_MS, { name: "beyond its deadline" });
        await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
        if (job.route === "wait") await ctx.sleep(job.sleepMs, { name: "a while" });
        const by = job.route === "ask" ? [await ctx.pause<number>({ reason: "the outbox" })] : [];
        return { job, value: valueOf(job), by };
      },
    );

    const refused = new Set<number>();

    const failed =
      (id: number) =>
      (error: unknown): void => {
        if (!(error instanceof FlowError && (error.code === "FLOW_STOPPED" || error.code === "FLOW_NOT_RUNNING")))
          problem(`Item ${id}: ${String(error)}`);
      };

    /** Takes an item: a message or a command. */
    const take = async (lane: number, sequence: number): Promise<void> => {
      const job = jobOf(seed, itemId(lane, sequence));
      const { id, tenant } = job;
      const consumed = { lane, sequence };
      if (isCommand(job)) {
        tell({ what: "commanded", id });
        await flow().intake.consume(consumed);
        return;
      }
      const how = await flow().intake.accept(job, {
        id: String(id),
        tenant,
        to: "intake",
        exclusive: keyOf(job),
        timeoutMs: isLate(job) ? 50 + job.expiresMs : undefined,
        consumed,
      });
      tell({ what: how, id });
    };

    /** Reports once it is stored that an outcome was delivered. Until its item is taken, it may be delivered again. */
    const settle = async (id: number): Promise<void> => {
      await sleep(0);
      const { lane, sequence } = placeOf(id);
      if (((await flow().intake.consumed()).get(lane) ?? -1) < sequence) return;
      await flow().intake.consumed();
      tell({ what: "settled", id });
    };

    /** Reads a lane on. The last life reads what an earlier one may have taken, and nothing that no life has read. */
    const readOn = async (lane: number, position: number): Promise<void> => {
      const pending = new Map<number, Promise<void>>();
      let sequence = Math.max(0, position + 1 - REPEATED);
      const end = isLast ? position + AHEAD : Infinity;
      while (flow().isRunning && sequence <= end) {
        const [first = sequence] = pending.keys();
        if (sequence - first < AHEAD) {
          const here = sequence;
          const taking = take(lane, here)
            .catch(failed(itemId(lane, here)))
            .finally(() => pending.delete(here));
          pending.set(here, taking);
          sequence += 1;
        }
        await sleep((sequence * LANES + lane) % 20);
      }
      await Promise.all(pending.values());
    };

    const tellPosition = (lane: number, consumed: ReadonlyMap<number, number>): number => {
      const value = consumed.get(lane) ?? -1;
      tell({ what: "read on", id: lane, value });
      return value;
    };

    const answer = async (id: number, token: string, tenant: string): Promise<void> => {
      await sleep(id % 16);
      const { status } = await flow().pauses.resume(token, life, { tenant });
      if (status !== "stopped") tell({ what: "answered", id, value: life });
    };

    return {
      edges: [node.to(conclude)],
      outbox: {
        async deliver(outcome) {
          const id = Number(outcome.traceId);
          const job = jobOf(seed, id);
          if (job.failures === 3 && !refused.has(id)) {
            refused.add(id);
            tell({ what: "refused", id });
            throw new Error("the outbox is busy");
          }
          if (outcome.status === "completed") tellResult(outcome.result as Result);
          if (outcome.status !== (isLate(job) ? "exhausted" : "completed"))
            problem(`Item ${id} was delivered as ${outcome.status}: ${JSON.stringify(outcome)}`);
          tell({ what: "delivered", id });
          await sleep(job.sleepMs % 8);
          void settle(id).catch(failed(id));
        },
        pause({ token }, { traceId, tenant }) {
          const id = Number(traceId);
          tell({ what: "asked", id });
          if ((life + id) % 3 > 0 && !isLast) return;
          void answer(id, token, tenant).catch(failed(id));
        },
      },
      async work() {
        const consumed = await flow().intake.consumed();
        await Promise.all(
          Array.from({ length: LANES }, async (_, lane) => {
            await readOn(lane, tellPosition(lane, consumed));
            if (isLast) tellPosition(lane, await flow().intake.consumed());
          }),
        );
      },
    };
  },
  *verify(observed, results) {
    const positions = positionsOf(observed);
    for (const { id: lane, value, life } of observed.filter(({ what }) => what === "read on"))
      if ((value ?? -1) > (positions.get(lane) ?? -1))
        yield `Lane ${lane} has gone back from ${value} since life ${life}`;
    const [delivered, commanded] = [byJob(observed, "delivered"), byJob(observed, "commanded")];
    const taken = new Set<number>();
    for (const [lane, last] of positions)
      for (let sequence = 0; sequence <= last; sequence += 1) taken.add(itemId(lane, sequence));
    for (const id of taken)
      if (!delivered.has(id) && !commanded.has(id))
        yield `Item ${id} was taken and lost: its outcome was never delivered`;
    for (const id of delivered.keys()) if (!taken.has(id)) yield `Item ${id} was delivered and is still to be read`;
    for (const [id, all] of byJob(observed, "accepted"))
      if (all.length > 1) yield `Item ${id} was accepted ${all.length} times`;
    yield* deliveredAgain(observed);
    for (const [id, answers] of byJob(observed, "answered"))
      if (answers.some(({ value }) => value !== results.get(id)?.by[0]))
        yield `Item ${id} was answered in life ${answers[0]?.life}; it has the answer of ${results.get(id)?.by[0]}`;
  },
};

/** Returns the last position of each lane. */
function positionsOf(observed: readonly Observed[]): Map<number, number> {
  return new Map(observed.filter(({ what }) => what === "read on").map(({ id, value = -1 }) => [id, value]));
}

/** Finds outcomes that were delivered again after their delivery was stored, or in the same life. */
function* deliveredAgain(observed: readonly Observed[]): Generator<string> {
  const settled = new Set<number>();
  const lives = new Map<number, number>();
  for (const { what, id, life } of observed) {
    if (what === "settled") settled.add(id);
    if (what !== "delivered") continue;
    if (settled.has(id)) yield `Item ${id} was delivered again in life ${life}, after its delivery was stored`;
    else if (lives.get(id) === life) yield `Item ${id} was delivered twice in life ${life}`;
    lives.set(id, life);
  }
}
