import { OPEN_SEA, ROOKERY } from "../../graph/endpoints.ts";
import type { Budget } from "../../message/budget.ts";
import type { Message } from "../../message/message.ts";
import type { RecordedOutput, TraceRecord } from "../../ports/trace-recorder.ts";

/** The facts about a graph that the laws need. */
export interface LawShape {
  /** Returns the nodes that receive a message from outside together with `entry`; `undefined` if unknown. */
  entriesWith(entry: string): readonly string[] | undefined;
  isOrdered(node: string): boolean;
  /** Returns the number of messages a join must gather; `undefined` where a group may stay short. */
  groupSize(node: string): number | undefined;
  /** Returns the nodes that an output must reach together; `undefined` if unknown. */
  targets(sender: Sender, output: Message): readonly string[] | undefined;
  /** Returns a tenant's share of a node's turns relative to the others'; `undefined` at a node that gives no turns. */
  shareOf(node: string, tenant: string): number | undefined;
  /** Whether the run is a playbook's, which continues after a restart once its caller calls it again. */
  readonly isWithin?: boolean;
}

/** Separates the stored records of one process from those of the next. */
export interface Restart {
  readonly type: "restart";
}

/** The message whose attempt sent another. */
export interface Sender {
  readonly run: string;
  readonly node: string;
  readonly lineage: string;
  /** The message; absent for that of a group. */
  readonly message: Message | undefined;
}

type RunRecord = Exclude<
  TraceRecord,
  { readonly type: "answered" | "ended" | "received" | "signalled" | "spent" | "unloaded" }
>;
type SpentRecord = Extract<TraceRecord, { readonly type: "spent" }>;

/** The place of a message. "over" is final; a "taken" message may return when its handler is retried. */
type Where = "on its edge" | "in an attempt" | "in backoff" | "in a join" | "paused" | "taken" | "over";

interface Item {
  readonly node: string;
  readonly source: string;
  readonly parent: string;
  readonly message: Message | undefined;
  where: Where;
  attempt: number;
  /** Whether the message has yielded its turn to later ones. */
  wasPaused?: boolean;
}

/** One trace, reconstructed from its records. */
class Run {
  readonly items = new Map<string, Item>();
  /** Lineages by edge, in order of acceptance. */
  readonly arrivals = new Map<string, string[]>();
  /** Nodes reached by each sent message, by its sender. */
  readonly sendings = new Map<string, Map<Message, string[]>>();
  readonly results = new Set<string>();
  /** Keys of the pauses and sleeps that have begun. */
  readonly waits = new Set<string>();
  /** Messages taken by a join or a fetch in the act of sending, before the sender's record reports them. */
  readonly foretold = new Map<string, Item>();
  /** Amounts spent so far, by the name of the budget. */
  readonly spent = new Map<string, number>();
  /** Messages that must reappear after the last restart. */
  missing = new Set<string>();
  /** Whether nothing has been heard of it since the last restart. */
  isAway = false;
  /** Whether the caller of the playbook may have ended while it was away. */
  mayHaveEnded = false;
  hasEnded = false;
}

/**
 * Checks the records of a flow in order against the laws L1, L2, L4, L5, L7 and L10. Returns one line per violation.
 * For a killed process, only the records in its checkpoint store count.
 */
export function brokenLaws(records: readonly (TraceRecord | Restart)[], shapeOf: (run: string) => LawShape): string[] {
  const broken: string[] = [];
  const runs = new Map<string, Run>();
  /** Runs of playbooks by request, and the last of them by the lineage of a first message. */
  const within = new Map<string, { readonly all: Set<Run>; readonly begun: Map<string, Run> }>();
  /** Runs that were accepted for given ids. */
  const given = new Map<string, string>();

  for (const [index, record] of records.entries()) {
    if (record.type === "restart") {
      for (const run of runs.values()) restart(run);
      continue;
    }
    const complain = (law: string, what: string): void =>
      void broken.push(`${law} at record ${index}: ${what}: ${lineOf(record)}`);
    const run = runs.get(record.run) ?? new Run();
    runs.set(record.run, run);
    const shape = shapeOf(record.run);
    run.isAway = false;
    if (shape.isWithin === true) {
      const request = requestOf(record);
      const { all, begun } = within.get(request) ?? { all: new Set(), begun: new Map<string, Run>() };
      within.set(request, { all: all.add(run), begun });
      if (record.type === "ended") for (const other of all) other.mayHaveEnded ||= other.isAway;
      if (record.type === "accepted") {
        const earlier = begun.get(record.lineage);
        if (earlier?.hasEnded === false && !earlier.mayHaveEnded) complain("L10", "the playbook begins anew");
        begun.set(record.lineage, run);
      }
    }
    if (record.type === "accepted" && record.hasGivenId === true) {
      const id = JSON.stringify([record.tenant, record.traceId]);
      const first = given.get(id) ?? record.run;
      if (first !== record.run) complain("L10", `the id was accepted before, by run ${first}`);
      given.set(id, first);
    }
    if (run.hasEnded) complain(record.type === "ended" ? "L2" : "L7", "its trace has ended already");
    else {
      if (record.type !== "restored") checkRestored(run, complain);
      if (record.type === "ended") {
        end(run, record.run, shape, complain);
        checkSpent(run, record.outcome.spent, complain);
      } else if (record.type === "spent") spend(run, record, complain);
      else if (record.type === "received") {
        const all = [run, ...(within.get(requestOf(record))?.all ?? [])];
        if (!all.some(({ items }) => items.get(receiverOf(record))?.where === "in an attempt"))
          complain("L7", "no attempt of the message is under way");
      } else if (record.type === "answered") {
        if (run.items.get(record.lineage)?.where !== "in an attempt")
          complain("L7", "no attempt of the message is under way");
        // a playbook that begins anew after a restart finds what its earlier run has asked
        const all = [run, ...(within.get(requestOf(record))?.all ?? [])];
        if (!all.some(({ waits }) => waits.has(record.pause))) complain("L10", "the pause has not begun");
      } else if (record.type === "unloaded") unload(run, complain);
      else if (record.type !== "signalled") follow(run, record, shape, complain);
    }
  }
  for (const [name, run] of runs) {
    // a playbook that was stored ends with its caller, which need not have called it again
    if (!run.hasEnded && !(run.isAway && shapeOf(name).isWithin === true))
      broken.push(`L2: the trace of run "${name}" has not ended`);
  }
  return broken;
}

type Complain = (law: string, what: string) => void;

/** Counts what a trace spends, and checks that no budget is exceeded. */
function spend(run: Run, { amounts, spent, limits }: SpentRecord, complain: Complain): void {
  for (const [name, amount] of Object.entries(amounts)) run.spent.set(name, (run.spent.get(name) ?? 0) + amount);
  checkSpent(run, spent, complain);
  for (const [name, amount] of Object.entries(spent))
    if (amount > (limits[name] ?? Number.POSITIVE_INFINITY))
      complain("L3", `${amount} is spent of the budget "${name}" of ${limits[name]}`);
}

/** Checks that the account of a trace has what its attempts have spent, each amount once. */
function checkSpent(run: Run, spent: Budget, complain: Complain): void {
  for (const name of new Set([...run.spent.keys(), ...Object.keys(spent)])) {
    const [told, counted] = [spent[name] ?? 0, run.spent.get(name) ?? 0];
    if (Math.abs(told - counted) > 1e-9 * Math.max(1, counted))
      complain("L10", `${told} of the budget "${name}" count as spent, and its attempts spent ${counted}`);
  }
}

/** Expects all unfinished messages to reappear. A message that a handler has taken is stored with it. */
function restart(run: Run): void {
  if (run.hasEnded) return;
  run.isAway = true;
  for (const [lineage, { where }] of run.items) if (where !== "over" && where !== "taken") run.missing.add(lineage);
}

/** Expects what a restart does of a trace at rest. */
function unload(run: Run, complain: Complain): void {
  for (const [lineage, { where }] of run.items)
    if (where !== "paused" && where !== "in a join" && where !== "over" && where !== "taken")
      complain("L1", `message ${lineage} is ${where}`);
  restart(run);
}

function checkRestored(run: Run, complain: Complain): void {
  for (const lineage of run.missing) complain("L10", `message ${lineage} is not there after a restart`);
  run.missing.clear();
}

function follow(run: Run, record: RunRecord, shape: LawShape, complain: Complain): void {
  const { node, lineage } = record;
  const item = run.items.get(lineage);
  const move = (from: readonly Where[], to: Where): Item | undefined => {
    if (item === undefined) complain("L1", "no record tells where the message came from");
    else if (item.node !== node) complain("L1", `the message was accepted by "${item.node}"`);
    else if (!from.includes(item.where)) complain("L1", `the message is ${item.where}`);
    else {
      item.where = to;
      return item;
    }
    return undefined;
  };
  const foretell = (where: Where): void =>
    void run.foretold.set(lineage, { node, source: "", parent: "", message: undefined, where, attempt: 0 });

  switch (record.type) {
    case "accepted":
      accept(run, OPEN_SEA, "", { node, lineage, message: record.message }, complain);
      return;
    case "restored":
      if (item === undefined) complain("L10", "no record before the restart tells of the message");
      else if (!run.missing.delete(lineage)) complain("L10", `the message was ${item.where} before the restart`);
      else if (item.node !== node) complain("L10", `the message was at "${item.node}" before the restart`);
      else if (item.where === "in an attempt" || item.where === "in a join") item.where = "on its edge";
      // the attempt starts from the beginning
      if (item?.where === "on its edge") item.attempt = record.attempt - 1;
      return;
    case "started": {
      for (const foretold of run.foretold.keys()) complain("L1", `no record tells where message ${foretold} came from`);
      const started = move(["on its edge"], "in an attempt");
      if (started === undefined) return;
      if (record.attempt !== started.attempt + 1) complain("L1", `attempt ${started.attempt + 1} was due`);
      started.attempt = record.attempt;
      if (shape.isOrdered(node)) checkTurn(run, lineage, started, shape, complain);
      return;
    }
    case "emitted":
      if (item?.where !== "in an attempt") complain("L7", "no attempt of the message is under way");
      for (const output of record.outputs) accept(run, node, lineage, output, complain);
      return;
    case "committed":
      if (move(["in an attempt"], "over")?.attempt !== record.attempt)
        complain("L1", "it is not the attempt that was started last");
      for (const output of record.outputs) accept(run, node, lineage, output, complain);
      return;
    case "parked":
      if (record.why === "pause") {
        move(["in an attempt"], "paused");
        for (const wait of record.begins ?? []) {
          if (run.waits.has(wait)) complain("L10", `the pause or sleep "${wait}" begins anew`);
          run.waits.add(wait);
        }
      } else if (record.why === "backoff") {
        move(["in an attempt"], "in backoff");
      } else if (item === undefined) {
        foretell("in a join");
      } else {
        move(["on its edge"], "in a join");
      }
      return;
    case "resumed":
      if (record.why === "pause") pausedAgain(move(["paused"], "on its edge"));
      else if (record.why === "backoff") move(["in backoff"], "on its edge");
      else if (record.why === "fetch") move(["taken"], "on its edge");
      else gather(run, node, lineage, shape, complain);
      return;
    case "fetched":
      if (item === undefined) foretell("taken");
      else move(["on its edge"], "taken");
      return;
    case "dropped":
      // too late for a join, in the act of sending
      if (item === undefined) foretell("over");
      else move(["on its edge", "in backoff", "in a join", "paused"], "over");
  }
}

/** Identifies the request of a record, which its playbooks share. */
export function requestOf({ tenant, traceId }: Pick<TraceRecord, "tenant" | "traceId">): string {
  return JSON.stringify([tenant, traceId]);
}

/** Returns the lineage of the message that received a signal, in a playbook that of the playbook's message. */
export function receiverOf({ by }: Extract<TraceRecord, { readonly type: "received" }>): string {
  return by.slice(by.indexOf("/") + 1).split("@", 1)[0] as string;
}

/** Restarts the same attempt after a pause. */
function pausedAgain(item: Item | undefined): void {
  if (item === undefined) return;
  item.attempt -= 1;
  item.wasPaused = true;
}

function accept(run: Run, source: string, parent: string, output: RecordedOutput, complain: Complain): void {
  const { node, lineage, message } = output;
  const sent = run.sendings.get(parent) ?? new Map<Message, string[]>();
  run.sendings.set(parent, sent.set(message, [...(sent.get(message) ?? []), node]));
  if (node === ROOKERY) {
    if (run.results.has(lineage)) complain("L1", `result ${lineage} was delivered twice`);
    run.results.add(lineage);
    return;
  }
  if (run.items.has(lineage)) {
    complain("L1", `message ${lineage} was accepted twice`);
    return;
  }
  const foretold = run.foretold.get(lineage);
  run.foretold.delete(lineage);
  run.items.set(lineage, { node, source, parent, message, where: foretold?.where ?? "on its edge", attempt: 0 });
  const edge = `${source}→${node}`;
  run.arrivals.set(edge, [...(run.arrivals.get(edge) ?? []), lineage]);
}

/** Checks that an ordered node handles a trace's messages one at a time, and those of one edge in their order. */
function checkTurn(run: Run, lineage: string, item: Item, shape: LawShape, complain: Complain): void {
  for (const [other, { node, where }] of run.items) {
    if (other === lineage || node !== item.node) continue;
    if (where === "in an attempt" || where === "in backoff")
      complain("L4", `message ${other} of the trace is still ${where} at the node`);
  }
  for (const earlier of run.arrivals.get(`${item.source}→${item.node}`) ?? []) {
    if (earlier === lineage) return;
    const before = run.items.get(earlier) as Item;
    // messages that several attempts send at once have no order
    const isComparable = before.parent === item.parent || item.source === OPEN_SEA || shape.isOrdered(item.source);
    if (isComparable && before.wasPaused !== true && before.where === "on its edge")
      complain("L4", `message ${earlier} came before it over the same edge and still waits`);
  }
}

/** Replaces the messages that wait at a join by the one that `lineage` identifies. */
function gather(run: Run, node: string, lineage: string, shape: LawShape, complain: Complain): void {
  const members = [...run.items.values(), ...run.foretold.values()].filter(
    (item) => item.node === node && item.where === "in a join",
  );
  const wanted = shape.groupSize(node);
  if (members.length === 0 || (wanted !== undefined && members.length !== wanted))
    complain("L1", `a group of ${members.length} was sent on, ${wanted ?? "at least 1"} wanted`);
  for (const member of members) member.where = "over";
  if (run.items.has(lineage)) complain("L1", "the group has the lineage of another message");
  run.items.set(lineage, { node, source: "", parent: "", message: undefined, where: "on its edge", attempt: 0 });
}

function end(run: Run, name: string, shape: LawShape, complain: Complain): void {
  run.hasEnded = true;
  for (const [lineage, { node, where }] of [...run.items, ...run.foretold])
    if (where !== "over" && where !== "taken" && where !== "in an attempt")
      complain("L1", `message ${lineage} at "${node}" is ${where} and nothing tells what became of it`);
  for (const lineage of run.foretold.keys()) complain("L1", `no record tells where message ${lineage} came from`);
  for (const [parent, sent] of run.sendings) {
    const sender = run.items.get(parent);
    for (const [message, reached] of sent) {
      const wanted =
        parent === ""
          ? shape.entriesWith(reached[0] ?? "")
          : shape.targets({ run: name, node: sender?.node ?? "", lineage: parent, message: sender?.message }, message);
      if (wanted !== undefined && !isSentTo(wanted, reached))
        complain(
          "L5",
          `a message of ${sender?.node ?? OPEN_SEA} was to reach ${wanted.join()} and reached ${reached.join()}`,
        );
    }
  }
}

/** Whether a message sent one or more times reached all of `wanted` each time, and no other node. */
function isSentTo(wanted: readonly string[], reached: readonly string[]): boolean {
  const times = reached.length / wanted.length;
  return wanted.every((name) => reached.filter((one) => one === name).length === times);
}

/** Formats a record as one line: two runs have equal lines if and only if they did the same. */
export function lineOf(record: TraceRecord | Restart): string {
  if (record.type === "restart") return "a new process goes on from what is stored";
  const trace = `${record.type} run ${record.run} "${record.traceId}" of ${record.tenant}`;
  if (record.type === "unloaded") return trace;
  if (record.type === "ended") {
    const { outcome } = record;
    const why = "error" in outcome ? `${outcome.error.code} (${outcome.error.message}) ` : "";
    const unread = record.unreadSignals === undefined ? "" : `, ${record.unreadSignals} signals unread`;
    return `${trace}: ${outcome.status} ${why}${JSON.stringify(outcome.results)}${unread}`;
  }
  if (record.type === "spent")
    return `${trace}: ${JSON.stringify(record.amounts)} at ${record.node}, ${JSON.stringify(record.spent)} of ${JSON.stringify(record.limits)} in all`;
  if (record.type === "signalled") return `${trace}: ${record.signal} ${JSON.stringify(record.value)}`;
  const place = `${trace}: ${record.lineage} at ${record.node}`;
  switch (record.type) {
    case "accepted":
    case "restored":
      return `${place} ${JSON.stringify(record.message.payload)}`;
    case "started":
      return `${place} attempt ${record.attempt}`;
    case "emitted":
    case "committed":
      return `${place} attempt ${record.attempt}${"logged" in record ? ` logs ${record.logged}` : ""} → ${record.outputs.map((output) => `${output.lineage} at ${output.node} ${JSON.stringify(output.message.payload)}`).join(", ")}`;
    case "parked":
      return `${place} (${[record.why, ...(record.begins ?? [])].join(" ")})`;
    case "resumed":
      return `${place} (${record.why})`;
    case "received":
      return `${place} ${record.signal} ${JSON.stringify(record.value)} (${record.position} of ${record.by})`;
    case "answered":
      return `${place} ${record.pause} ${JSON.stringify(record.value)}`;
    case "fetched":
    case "dropped":
      return place;
  }
}
