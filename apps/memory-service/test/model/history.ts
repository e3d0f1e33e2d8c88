// Plays a history on the service and beside it on the oracle. Requests that overlap may take effect in any order: every
// state of the oracle that explains all answers so far is kept, and there must be one.
import { inspect, isDeepStrictEqual } from "node:util";
import type { Action, Answer, Keeping, Someone } from "./action.ts";
import type { Door, Finding } from "./door.ts";
import { type KnownFragment, Oracle } from "./oracle.ts";
import { isAnswered, isSound, type MadeRead, ordersOf, shown, sorted } from "./judging.ts";
import type { Batch, Read, Step } from "./plan.ts";

/** A clock that tests move. */
export interface MovedClock {
  now: number;
}

/** Options of {@link History}. */
export interface HistoryOptions {
  /** Distinguishes the tenants of histories that share a service. */
  readonly number: number;
  readonly clock: MovedClock;
  /** Whether a search may find more than the words allow, as vectors do. */
  readonly findsMore: boolean;
}

const NEWEST = 4;
const SPAN_MS = 1_000;

/** One history on a service and on the oracle. */
export class History {
  readonly #door: Door;
  readonly #options: HistoryOptions;
  readonly #everyTenant: readonly string[];
  #states: Oracle[];
  #words = 0;
  #kept: Keeping[] = [];
  /** Words of the latest requests and of their neighbours. */
  #touched: readonly string[] = [];
  /** Users whom the latest requests are about. */
  #concerned: readonly Someone[] = [];

  constructor(door: Door, options: HistoryOptions) {
    this.#door = door;
    this.#options = options;
    this.#everyTenant = ["red", "blue", "green"].map((tenant) => this.#tenant(tenant));
    this.#states = [new Oracle(options.clock.now)];
  }

  /** Plays requests at once, finds out which orders explain them, and lets two users look at everything. */
  async play({ steps, reads, watchers, at, isLater }: Batch): Promise<void> {
    if (isLater) this.#options.clock.now += 2 * SPAN_MS;
    for (const state of this.#states) state.now = this.#options.clock.now;
    const actions: Action[] = [];
    for (const step of steps) actions.push(...this.#actionOf(step, actions));
    const answered = new Set<number>();
    const working = actions.map(async (action, place) => {
      const answer = await this.#door.act(action);
      answered.add(place);
      return answer;
    });
    const reading = reads.map(async (read) => await this.#read(read, working, answered));
    const answers = await Promise.all(working);
    const made = await Promise.all(reading);
    this.#explain(actions, answers, made);
    await this.#look(this.#concernedOr(watchers[0], at), at);
    await this.#look(this.#someone(watchers[1]), at);
  }

  /** Keeps the states to which an order of the requests leads that explains their answers and the reads. */
  #explain(actions: readonly Action[], answers: readonly Answer[], reads: readonly MadeRead[]): void {
    const faults: string[] = [];
    const ends = new Map<string, Oracle>();
    for (const state of this.#states)
      for (const order of ordersOf(actions.map((_, place) => place))) {
        const way = this.#follow(state, order, actions, answers, reads);
        if (typeof way === "string") faults.push(`${order.join(", ")}: ${way}`);
        else ends.set(inspect(way, { depth: 9 }), way);
      }
    const said = inspect(
      { requests: actions.map((action, place) => ({ ...action, answer: answers[place] })) },
      { depth: 9 },
    );
    if (ends.size === 0) throw new Error(`No order explains ${said}\n${faults.join("\n")}`);
    this.#states = [...ends.values()];
  }

  /** Returns the last state of an order, or the difference between it and the answers. */
  #follow(
    state: Oracle,
    order: readonly number[],
    actions: readonly Action[],
    answers: readonly Answer[],
    reads: readonly MadeRead[],
  ): Oracle | string {
    const chain = [state];
    for (const place of order) {
      const [action, answer] = [actions[place]!, answers[place]!];
      const next = chain.at(-1)!.clone();
      const wanted = next.apply(action, answer.id);
      if (!isAnswered(answer, wanted)) return `request ${place} is answered ${inspect(answer)}, not ${inspect(wanted)}`;
      chain.push(next);
    }
    for (const read of reads) {
      const since = (requests: ReadonlySet<number>): readonly Oracle[] =>
        chain.slice(Math.max(0, ...[...requests].map((place) => order.indexOf(place) + 1)));
      if (!this.#mayRead(read, since(read.before)) || !isSound(read, this.#everyTenant, since(read.meanwhile)))
        return `${inspect(read)} is of no state; visible: ${inspect(chain.map((one) => one.visible(read.by)))}`;
    }
    return chain.at(-1)!;
  }

  /** Whether an overlapping read can be the answer to its question while the states followed each other. */
  #mayRead({ kind, by, word, id, result }: MadeRead, states: readonly Oracle[]): boolean {
    switch (kind) {
      case "list":
        return states.some((state) => isDeepStrictEqual(sorted(result as readonly string[]), state.visible(by)));
      case "get":
        return states.some((state) => isDeepStrictEqual(result, shown(state, by, id)));
      case "find":
        return this.#mayFind(result as Finding, [by.tenant], by, word, states);
      case "findEverywhere":
        return this.#mayFind(result as Finding, this.#everyTenant, by, word, states);
    }
  }

  /** Whether what could be found throughout was found. */
  #mayFind({ ids }: Finding, asked: readonly string[], by: Someone, word: string, states: readonly Oracle[]): boolean {
    const found = (state: Oracle): string[] => asked.flatMap((tenant) => state.found(by, word, tenant));
    return found(states[0]!).every((id) => ids.includes(id) || !states.every((one) => found(one).includes(id)));
  }

  /** Compares what a user is shown now with the states; leaves those that agree. */
  async #look(by: Someone, at: number): Promise<void> {
    const word = this.#touched[at % Math.min(3, this.#touched.length)] ?? "none";
    const [first] = this.#states as [Oracle];
    const asked = first.fragments.filter((one) => this.#touched.includes(one.word)).map(({ id }) => id);
    const [listed, found, everywhere, events, ...got] = await Promise.all([
      this.#door.list(by),
      this.#door.find(by, word),
      this.#door.findEverywhere(by, word),
      this.#door.events(by),
      ...asked.map(async (id) => await this.#door.get(by, id)),
    ]);
    const faults: string[] = [];
    const agrees = (state: Oracle): boolean => {
      const owned = new Set(state.fragments.flatMap(({ id, owner }) => (isDeepStrictEqual(owner, by) ? [id] : [])));
      const wanted: readonly (readonly [string, unknown, unknown])[] = [
        ["list", sorted(listed), state.visible(by)],
        ["find", this.#foundOf(found, state, [by.tenant], by, word), state.found(by, word)],
        [
          "findEverywhere",
          this.#foundOf(everywhere, state, this.#everyTenant, by, word),
          sorted(this.#everyTenant.flatMap((tenant) => state.found(by, word, tenant))),
        ],
        ["events", events.filter((id) => !owned.has(id)), []],
        ["get", got, asked.map((id) => shown(state, by, id))],
      ];
      const fault = wanted.find(([, given, want]) => !isDeepStrictEqual(given, want));
      if (fault !== undefined) faults.push(`${fault[0]} gives ${inspect(fault[1])}, not ${inspect(fault[2])}`);
      return fault === undefined;
    };
    const left = this.#states.filter(agrees);
    if (left.length === 0) throw new Error(`${inspect(by)} looks for "${word}": ${faults.join("\n")}`);
    this.#states = left;
  }

  /** Returns what was found, as far as words decide it; also what must not be mentioned. */
  #foundOf(
    { ids, mentioned }: Finding,
    state: Oracle,
    tenants: readonly string[],
    by: Someone,
    word: string,
  ): string[] {
    const visible = new Set(tenants.flatMap((tenant) => state.visible(by, tenant)));
    const hidden = [...ids, ...mentioned].filter((id) => !visible.has(id));
    if (!this.#options.findsMore) return sorted([...ids, ...hidden]);
    const byWords = new Set(tenants.flatMap((tenant) => state.found(by, word, tenant)));
    return sorted([...ids.filter((id) => byWords.has(id)), ...hidden]);
  }

  async #read(read: Read, working: readonly Promise<Answer>[], answered: ReadonlySet<number>): Promise<MadeRead> {
    if (read.after !== undefined) await working[read.after % working.length];
    const [state] = this.#states as [Oracle];
    const known = state.fragments.at(-1 - (read.at % NEWEST)) ?? state.fragments.at(-1);
    const [word, id] = [known?.word ?? "none", known?.id ?? "none"];
    const by = read.at % 4 === 0 ? this.#someone(read.by) : this.#concernedOr(read.by, read.at);
    const before = new Set(answered);
    const ask = {
      list: async () => await this.#door.list(by),
      find: async () => await this.#door.find(by, word),
      findEverywhere: async () => await this.#door.findEverywhere(by, word),
      get: async () => await this.#door.get(by, id),
    };
    const result = await ask[read.kind]();
    const meanwhile = this.#door.isInOrder ? new Set(answered) : before;
    return { kind: read.kind, by, word, id, before, meanwhile, result };
  }

  /** Fills in a request: half of the time its user is the owner of the fragment, so that many succeed. */
  #actionOf({ kind, at, newer, level, conversation, ...step }: Step, before: readonly Action[]): Action[] {
    const [state] = this.#states as [Oracle];
    const [given, to] = [this.#someone(step.by), this.#someone(step.to)];
    // the newest come first, so that requests meet at the same fragments
    const known = state.fragments.toReversed();
    const fragment = known[at % Math.min(Math.max(known.length, 1), NEWEST)];
    const again = [...this.#kept, ...before.filter((one) => one.kind === "ingest")].at(-1 - (at % 2));
    switch (kind) {
      case "ingest": {
        const word = at % 8 === 7 ? `w${Math.max(0, this.#words - 1)}x` : `w${this.#words++}x`;
        const supersedes = at % 6 === 5 ? fragment?.id : undefined;
        return [this.#keep({ kind, by: given, word, level, conversation, supersedes, key: `key-${word}-${at}` })];
      }
      case "again":
        return again === undefined ? [] : [again];
      case "other":
        return again === undefined ? [] : [{ ...again, word: "other" }];
      case "eraseUser":
        return at % 3 === 0 ? [{ kind, by: given }] : [];
      default:
        break;
    }
    if (fragment === undefined) return [];
    this.#touch(state, fragment.word);
    const own = { by: at % 4 === 0 ? given : fragment.owner, id: fragment.id };
    this.#concerned = [fragment.owner, to, ...this.#concerned].slice(0, NEWEST);
    switch (kind) {
      case "level":
        return [{ kind, ...own, level }];
      case "share":
        return [{ kind, ...own, to, ...(newer % 3 === 0 && { expiresAt: this.#options.clock.now + SPAN_MS }) }];
      case "unshare":
      case "erase":
        return [kind === "erase" ? { kind, ...own } : { kind, ...own, to: granteeOf(fragment, newer) ?? to }];
      case "supersede":
        return [{ kind, ...own, newer: (known[newer % known.length] ?? fragment).id }];
      default:
        return [{ kind: "reinforce", ...own, value: newer / 15 - 1, key: `r-${at % 3}` }];
    }
  }

  #keep(action: Keeping): Keeping {
    this.#kept.push(action);
    this.#touched = [action.word, ...this.#touched].slice(0, NEWEST);
    return action;
  }

  /** Notes words that a request may make findable, or keep from being so. */
  #touch(state: Oracle, word: string): void {
    const fragment = state.fragments.find((one) => one.word === word);
    const around = fragment === undefined ? [] : state.neighbours(fragment).map((one) => one.word);
    this.#touched = [...new Set([word, ...around, ...this.#touched])].slice(0, NEWEST);
  }

  #concernedOr(other: Someone, at: number): Someone {
    return this.#concerned[at % Math.max(1, this.#concerned.length)] ?? this.#someone(other);
  }

  #someone({ tenant, user }: Someone): Someone {
    return { tenant: this.#tenant(tenant), user };
  }

  #tenant(tenant: string): string {
    return `${tenant}-${this.#options.number}`;
  }
}

/** Picks a user with a grant, most of the time. */
function granteeOf({ grants }: KnownFragment, at: number): Someone | undefined {
  const names = at % 4 === 0 ? [] : [...grants.keys()];
  const [tenant, user] = names[at % Math.max(1, names.length)]?.split("/") ?? [];
  return tenant === undefined || user === undefined ? undefined : { tenant, user };
}
