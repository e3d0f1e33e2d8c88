import { inboxOf } from "../../src/form/command.ts";
import { groupOf } from "../../src/form/place.ts";
import { type FinalState, type HistoryEvent, nameOf, placeOf, type TraceName } from "./history.ts";

type EventOf<Type extends HistoryEvent["type"]> = Extract<HistoryEvent, { readonly type: Type }>;

/** A rule: returns its violations, one line each. */
type Rule = (history: History) => string[];

/**
 * Checks the guarantees of a cluster on the history of a run whose calls have settled. Returns one line per violation.
 *
 * @param nodes - nodes of the flow, with the number of messages that a completed trace completes at each
 */
export function brokenGuarantees(
  events: readonly HistoryEvent[],
  state: FinalState,
  nodes: ReadonlyMap<string, number>,
): string[] {
  const history = new History(events);
  return [...rules.flatMap((rule) => rule(history)), ...leftovers(state), ...miscounted(history, state, nodes)];
}

/** A history, sorted by what its events are about. */
class History {
  readonly events: readonly HistoryEvent[];

  constructor(events: readonly HistoryEvent[]) {
    this.events = events;
  }

  of<Type extends HistoryEvent["type"]>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Groups the events of a type by their traces. */
  byTrace<Type extends EventOf<HistoryEvent["type"]>["type"]>(type: Type): Map<string, EventOf<Type>[]> {
    return Map.groupBy(this.of(type), (event) => nameOf(event as unknown as TraceName));
  }

  /** Traces that were accepted. */
  get accepted(): readonly TraceName[] {
    return this.of("appended").flatMap(({ partition, put }) =>
      put.map(({ tenant, id }) => ({ partition, tenant, id })),
    );
  }

  /** First run of each accepted trace, by its place. */
  get firstRuns(): ReadonlyMap<string, number> {
    const runs = new Map<string, number>();
    for (const { partition, put } of this.of("appended"))
      for (const { run, tenant, id } of put) {
        const place = placeOf({ partition, tenant, id });
        runs.set(place, Math.min(run, runs.get(place) ?? run));
      }
    return runs;
  }

  /** Traces that people have tried again after their failure: they have several outcomes. */
  get retried(): ReadonlySet<string> {
    return new Set(this.of("retrying").map(nameOf));
  }
}

const rules: readonly Rule[] = [
  function everyCallIsTold(history) {
    return history
      .of("rejected")
      .filter(({ code }) => code === "OUTCOME_UNKNOWN")
      .map((event) => `Lost: call ${event.call} of ${nameOf(event)} was never told its outcome`);
  },
  function aRefusedCallDidNotRun(history) {
    const accepted = new Set(history.accepted.map(nameOf));
    const called = history.byTrace("called");
    return history
      .of("rejected")
      .filter(({ code }) => code === "NOT_ACCEPTED")
      .filter((event) => (called.get(nameOf(event))?.length ?? 1) === 1 && accepted.has(nameOf(event)))
      .map((event) => `Refused: call ${event.call} of ${nameOf(event)} was not accepted, and has run`);
  },
  function anIdIsAcceptedOnce({ events, retried }) {
    const runs = new Map<string, Set<string>>();
    const earlier = new Set<string>();
    for (const event of events) {
      // one whose outcome is given up may be used again
      if (event.type === "forgotten" && inboxOf(event.id) === undefined && !retried.has(nameOf(event))) {
        for (const run of runs.get(nameOf(event)) ?? []) earlier.add(run);
        runs.delete(nameOf(event));
      }
      if (event.type !== "appended") continue;
      const { partition, put } = event;
      for (const { run, tenant, id } of put) {
        const [name, what] = [nameOf({ partition, tenant, id }), `${run} of ${partition}`];
        if (!earlier.has(what)) runs.set(name, (runs.get(name) ?? new Set()).add(what));
      }
    }
    return [...runs]
      .filter(([, all]) => all.size > 1)
      .map(([name, all]) => `Doubled: ${name} was accepted ${all.size} times, as runs ${[...all].join(", ")}`);
  },
  function aFinalResultIsNeverReplaced(history) {
    const stored = new Map<string, { readonly partition: string; readonly outcome: string }>();
    const broken: string[] = [];
    for (const event of history.events) {
      if (event.type === "forgotten" && stored.get(nameOf(event))?.partition === event.partition)
        stored.delete(nameOf(event));
      // a command has a record in each version that it was given to
      if (event.type !== "result" || event.answer !== "stored" || !isOfTrace(event)) continue;
      const { partition, outcome } = event;
      const before = stored.get(nameOf(event)) ?? event;
      if (before.outcome !== outcome || before.partition !== partition)
        broken.push(`Result: a second one of ${nameOf(event)} was stored in ${partition}`);
      stored.set(nameOf(event), { partition, outcome });
    }
    return broken;
  },
  function aRetryHasTheLastWord(history) {
    const failed = new Set<string>();
    const refused = new Set<string>();
    for (const event of history.of("result").filter(isOfTrace)) {
      const name = nameOf(event);
      const isFailure = event.outcome.startsWith('{"status":"failed"');
      const isCompleted = event.outcome.startsWith('{"status":"completed"');
      if (event.answer === "superseded") {
        if (isCompleted && failed.has(name)) refused.add(name);
      } else if (isFailure) failed.add(name);
      else {
        failed.delete(name);
        refused.delete(name);
      }
    }
    return [...refused].map((name) => `Retry: ${name} has completed, and its failure before that is its result`);
  },
  function allCallersAreToldTheSame(history) {
    const { retried } = history;
    return [...history.byTrace("told")].flatMap(([name, told]) => {
      const outcomes = new Set(told.map(({ outcome }) => outcome));
      return outcomes.size > 1 && !retried.has(name)
        ? [`Result: callers of ${name} were told ${[...outcomes].join(" and ")}`]
        : [];
    });
  },
  function whatIsToldWasStored(history) {
    const stored = history.byTrace("result");
    return history.of("told").flatMap((event) => {
      const outcomes = stored.get(nameOf(event));
      // the worker that stored it may have been killed before it could say so
      if (outcomes === undefined || outcomes.some(({ outcome }) => outcome === event.outcome)) return [];
      return [`Result: a caller of ${nameOf(event)} was told ${event.outcome}, which was never stored`];
    });
  },
  function nothingOfAFencedEpochIsStored(history) {
    const opened = Map.groupBy(history.of("opened"), ({ partition }) => partition);
    const batches = new Set<string>();
    return history.of("appended").flatMap(({ partition, epoch, sequence }) => {
      const batch = `batch ${sequence} of ${partition}`;
      if (batches.has(batch)) return [`Fence: ${batch} was stored twice`];
      batches.add(batch);
      const later = opened.get(partition)?.find((next) => next.epoch > epoch && next.sequence < sequence);
      return later === undefined ? [] : [`Fence: ${batch} is of epoch ${epoch}, and epoch ${later.epoch} had begun`];
    });
  },
  function noHandlerStartsInAFencedEpoch(history) {
    const latest = new Map<string, number>();
    const broken: string[] = [];
    for (const event of history.events) {
      if (event.type === "opened") latest.set(event.partition, event.epoch);
      if (event.type !== "handled" || event.epoch === undefined) continue;
      const epoch = latest.get(event.partition) ?? 0;
      if (event.epoch < epoch)
        broken.push(`Fence: "${event.node}" of ${nameOf(event)} began in epoch ${event.epoch}, after ${epoch} had`);
    }
    return broken;
  },
  function aLaneIsAcceptedInOrder(history) {
    const { firstRuns } = history;
    const lanes = Map.groupBy(history.of("read"), ({ partition, lane }) => `lane ${lane} of ${partition}`);
    return [...lanes].flatMap(([lane, items]) => {
      const first = new Map<string, number>();
      for (const item of items.toSorted((a, b) => a.sequence - b.sequence))
        if (!first.has(placeOf(item))) first.set(placeOf(item), item.sequence);
      const accepted = [...first.keys()].flatMap((name) => {
        const run = firstRuns.get(name);
        return run === undefined ? [] : [{ name, run }];
      });
      return accepted.flatMap(({ name, run }, index) => {
        const before = accepted[index - 1];
        return before === undefined || before.run < run
          ? []
          : [`Order: ${name} came after ${before.name} in ${lane}, and was accepted before it`];
      });
    });
  },
  function aPauseIsAnsweredOnce(history) {
    const answers = Map.groupBy(history.of("answered"), ({ token }) => token);
    const told = history.byTrace("told");
    return [...answers].flatMap(([, all]) => {
      const accepted = all.filter(({ code }) => code === undefined);
      const name = nameOf(all[0]!);
      const used = (told.get(name) ?? []).flatMap(({ outcome }) => answerIn(outcome));
      const broken: string[] = [];
      if (accepted.length > 1) broken.push(`Pause: ${accepted.length} answers to ${name} were accepted`);
      for (const { value, code } of all) {
        if (code === "PAUSE_USED" && used.includes(value))
          broken.push(
            `Pause: "${String(value)}" to ${name} was refused as a second answer, and is the one that counts`,
          );
        if (code === "RESUME_INVALID" && used.includes(value))
          broken.push(`Pause: "${String(value)}" to ${name} was refused as unfit, and is the one that counts`);
        if (code === undefined && used.length > 0 && !used.includes(value))
          broken.push(`Pause: "${String(value)}" to ${name} was accepted, and "${String(used[0])}" counts`);
      }
      return broken;
    });
  },
  function chunksComeInOrderAndNoneAfterTheLast(history) {
    const streams = Map.groupBy(history.of("chunk"), ({ reader, stream, run }) => `${reader} ${stream} ${run}`);
    return [...streams.values()].flatMap((chunks) =>
      chunks.slice(1).flatMap((chunk, index) => {
        const before = chunks[index]!;
        if (chunk.position > before.position && !before.isLast) return [];
        const what = before.isLast ? "the last chunk" : `chunk ${before.position}`;
        return [`Stream: a reader of ${nameOf(chunk)} got chunk ${chunk.position} of run ${chunk.run} after ${what}`];
      }),
    );
  },
  function aSignalIsReceivedOnce(history) {
    const outcomes = new Map([...history.of("result"), ...history.of("told")].map((event) => [nameOf(event), event]));
    return [...outcomes].flatMap(([name, { outcome }]) => {
      const heard = heardIn(outcome);
      return new Set(heard).size === heard.length ? [] : [`Signal: ${name} has received ${heard.join(", ")}`];
    });
  },
  function aCancelledTraceHasAResult(history) {
    const { retried } = history;
    const told = history.byTrace("told");
    return history.of("cancelled").flatMap((event) => {
      const name = nameOf(event);
      if (retried.has(name)) return [];
      if (event.outcome === undefined) return [`Cancel: ${name} had no result when its cancel had resolved`];
      return (told.get(name) ?? [])
        .filter(({ outcome }) => outcome !== event.outcome)
        .map(({ outcome }) => `Cancel: ${name} was ${event.outcome} when its cancel had resolved, and then ${outcome}`);
    });
  },
];

/** Whether a stored result is the outcome of a trace, and no record of a command. */
const isOfTrace = ({ outcome }: EventOf<"result">): boolean => outcome.startsWith('{"status":');

function answerIn(outcome: string): unknown[] {
  const { results } = JSON.parse(outcome) as { readonly results: readonly { readonly answer?: unknown }[] };
  return results.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
}

function heardIn(outcome: string): string[] {
  const { results = [] } = JSON.parse(outcome) as {
    readonly results?: readonly { readonly heard?: readonly string[] }[];
  };
  return results.flatMap(({ heard = [] }) => heard);
}

function leftovers({ left, backlog }: FinalState): string[] {
  const broken = left.map((name) => `Lost: ${name} is left in the checkpoints`);
  if (backlog > 0) broken.push(`Lost: ${backlog} items of the intake were never taken`);
  return broken;
}

/** Checks that each node has completed its messages of each trace once. */
function miscounted(history: History, { counts }: FinalState, nodes: ReadonlyMap<string, number>): string[] {
  const outcomes = new Map<string, string>();
  for (const event of history.events)
    if (event.type === "told" || (event.type === "result" && event.answer === "stored"))
      outcomes.set(nameOf(event), event.outcome);
  let completed = 0;
  let others = 0;
  // a node on another pool completes one message for each trace of its flow
  const whole = history.accepted.filter(({ partition }) => !groupOf(partition).includes("/"));
  // of a trace that was accepted by a process that could not say so, its outcome is known
  for (const name of new Set([...whole, ...history.of("told")].map(nameOf)))
    if (outcomes.get(name)?.startsWith('{"status":"completed"') === true) completed += 1;
    else others += 1;
  return [...nodes].flatMap(([node, each]) => {
    const [count, least, most] = [counts.get(node) ?? 0, completed * each, (completed + others) * each];
    if (count >= least && count <= most) return [];
    return [
      `Counts: node "${node}" has completed ${count} messages, and not ${least}${most > least ? ` to ${most}` : ""}`,
    ];
  });
}
