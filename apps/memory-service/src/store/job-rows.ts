import { maybeText, number, oneOf, text } from "./columns.ts";
import { among, type Sql } from "./sql.ts";

/** States of an embedding job: waiting → running → gone, back to waiting, or dead. */
export const JOB_STATES = ["waiting", "running", "dead"] as const;

/** State of an embedding job. */
export type JobState = (typeof JOB_STATES)[number];

/** A claimed job: the worker's until its lease ends. */
export interface ClaimedJob {
  readonly id: number;
  readonly seq: number;
  readonly version: number;
  /** 1 for the first attempt. */
  readonly attempts: number;
}

/** A job as its fragment's owner sees it. */
export interface JobReport {
  readonly fragment: string;
  readonly model: string;
  readonly state: JobState;
  readonly attempts: number;
  readonly dueAt: number;
  /** Kind of the last failure; never its message, which may repeat the text. */
  readonly error: string | undefined;
}

/** Figures of a tenant's queue. */
export interface JobFigures {
  readonly waiting: number;
  readonly running: number;
  readonly dead: number;
  /** Instant at which the job that waits longest became due. */
  readonly oldestDueAt: number | undefined;
}

/** The queue of embedding jobs of a tenant: rows, written in the transaction of the fragment. */
export class JobRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds a job for each of some fragments, unless there is one for its version and the model. */
  async add(seqs: readonly number[], model: string, dueAt: number): Promise<void> {
    const about = among("f.seq", seqs);
    await this.#sql.run(
      `insert into embedding_job (seq, model, version, due_at)
       select f.seq, cast(? as text), f.version, cast(? as bigint) from fragment f where ${about.text}
       order by f.seq on conflict do nothing`,
      [model, dueAt, ...about.values],
    );
  }

  /** Adds jobs for up to `limit` fragments that have neither a vector of the model nor a job for one. */
  async addMissing(model: string, dueAt: number, limit: number): Promise<number> {
    return await this.#sql.run(
      `insert into embedding_job (seq, model, version, due_at) select f.seq, cast(? as text), f.version, cast(? as bigint) from fragment f
       where not exists (select 1 from embedding e where e.seq = f.seq and e.model = ?)
       and not exists (select 1 from embedding_job j where j.seq = f.seq and j.model = ?)
       order by f.seq limit ${limit}`,
      [model, dueAt, model, model],
    );
  }

  /** Claims due jobs of a model, also running ones whose lease has ended. */
  async claim(model: string, limit: number, now: number, leaseUntil: number): Promise<ClaimedJob[]> {
    const rows = await this.#sql.all(
      `update embedding_job set state = 'running', lease_until = ?, attempts = attempts + 1 where id in (
         select id from embedding_job where model = ? and ((state = 'waiting' and due_at <= ?)
         or (state = 'running' and lease_until <= ?)) order by id limit ${limit} ${this.#sql.skipLocked})
       returning id, seq, version, attempts`,
      [leaseUntil, model, now, now],
    );
    const jobs = rows.map((row) => ({
      id: number(row, "id"),
      seq: number(row, "seq"),
      version: number(row, "version"),
      attempts: number(row, "attempts"),
    }));
    return jobs.sort((one, other) => one.id - other.id);
  }

  /** Removes jobs that are done, or have nothing to do any more. */
  async remove(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    const done = among("id", ids);
    await this.#sql.run(`delete from embedding_job where ${done.text}`, done.values);
  }

  /** Removes the jobs of other models. */
  async removeOthers(model: string): Promise<void> {
    await this.#sql.run("delete from embedding_job where model <> ?", [model]);
  }

  /** Puts a failed job back until `dueAt`, or buries it. */
  async fail(id: number, error: string, dueAt: number | "never"): Promise<void> {
    const [state, due] = dueAt === "never" ? ["dead", 0] : ["waiting", dueAt];
    await this.#sql.run("update embedding_job set state = ?, due_at = ?, lease_until = null, error = ? where id = ?", [
      state,
      due,
      error,
      id,
    ]);
  }

  /** Gives leases back: the attempts do not count. */
  async release(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    const claimed = among("id", ids);
    await this.#sql.run(
      `update embedding_job set state = 'waiting', lease_until = null, attempts = attempts - 1
       where state = 'running' and ${claimed.text}`,
      claimed.values,
    );
  }

  /** Lets dead jobs wait again, of one owner or of all; returns their number. */
  async retryDead(owner: string | undefined, dueAt: number): Promise<number> {
    const mine = owner === undefined ? "" : "and seq in (select seq from fragment where user_id = ?)";
    return await this.#sql.run(
      `update embedding_job set state = 'waiting', attempts = 0, due_at = ? where state = 'dead' ${mine}`,
      owner === undefined ? [dueAt] : [dueAt, owner],
    );
  }

  /** Returns jobs of an owner's fragments, in the order in which they are due. */
  async ofOwner(owner: string, state: JobState | undefined, limit: number): Promise<JobReport[]> {
    const rows = await this.#sql.all(
      `select f.id, j.model, j.state, j.attempts, j.due_at, j.error from embedding_job j
       join fragment f on f.seq = j.seq where f.user_id = ? ${state === undefined ? "" : "and j.state = ?"}
       order by j.due_at, j.id limit ${limit}`,
      state === undefined ? [owner] : [owner, state],
    );
    return rows.map((row) => ({
      fragment: text(row, "id"),
      model: text(row, "model"),
      state: oneOf(row, "state", JOB_STATES),
      attempts: number(row, "attempts"),
      dueAt: number(row, "due_at"),
      error: maybeText(row, "error"),
    }));
  }

  /** Counts jobs by state, of one owner or of all. */
  async figures(owner?: string): Promise<JobFigures> {
    const mine = owner === undefined ? "" : "where seq in (select seq from fragment where user_id = ?)";
    const rows = await this.#sql.all(
      `select state, count(*) as total, min(due_at) as oldest from embedding_job ${mine} group by state`,
      owner === undefined ? [] : [owner],
    );
    const of = (state: JobState) => rows.find((row) => row["state"] === state);
    const countOf = (state: JobState): number => {
      const row = of(state);
      return row === undefined ? 0 : number(row, "total");
    };
    const oldest = of("waiting");
    return {
      waiting: countOf("waiting"),
      running: countOf("running"),
      dead: countOf("dead"),
      oldestDueAt: oldest === undefined ? undefined : number(oldest, "oldest"),
    };
  }

  /** Returns the instant at which the next job of a model can be claimed. */
  async nextDueAt(model: string): Promise<number | undefined> {
    const rows = await this.#sql.all(
      `select min(case state when 'waiting' then due_at else lease_until end) as next from embedding_job
       where model = ? and state <> 'dead'`,
      [model],
    );
    const row = rows[0];
    return row === undefined || row["next"] === null ? undefined : number(row, "next");
  }
}
