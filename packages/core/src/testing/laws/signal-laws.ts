import type { TraceRecord } from "../../ports/trace-recorder.ts";
import { lineOf, type Restart } from "./record-laws.ts";

/** A signal that is not consumed. */
interface Sent {
  readonly name: string;
  readonly text: string;
  /** Message that has received it, in a playbook the playbook's. */
  by: string | undefined;
  /** Message of the trace that has received it. */
  lineage: string | undefined;
  /** Number of the handler call of that message that received it last. */
  call: number;
}

/** The signals of one trace, and the number of handler calls of each message. */
interface Run {
  sent: Sent[];
  readonly calls: Map<string, number>;
}

/**
 * Checks the records of a flow in order: each signal is received by one message, in the order of acceptance, again in
 * each call of its handler until the message is done, and never after that. Returns one line per violation.
 */
export function brokenSignals(records: readonly (TraceRecord | Restart)[]): string[] {
  const broken: string[] = [];
  const runs = new Map<string, Run>();
  for (const [index, record] of records.entries()) {
    if (record.type === "restart") continue;
    const run = runs.get(record.run) ?? { sent: [], calls: new Map<string, number>() };
    runs.set(record.run, run);
    const complain = (law: string, what: string): void =>
      void broken.push(`${law} at record ${index}: ${what}: ${lineOf(record)}`);
    switch (record.type) {
      case "signalled":
        run.sent.push({
          name: record.signal,
          text: textOf(record.value),
          by: undefined,
          lineage: undefined,
          call: 0,
        });
        break;
      case "started":
        run.calls.set(record.lineage, callOf(run, record.lineage) + 1);
        break;
      case "received":
        receive(run, record, complain);
        break;
      case "committed":
        run.sent = run.sent.filter((signal) => {
          if (signal.lineage !== record.lineage) return true;
          const isConsumed = signal.call === callOf(run, record.lineage);
          signal.by = signal.lineage = undefined;
          return !isConsumed;
        });
        break;
      case "ended": {
        const { unreadSignals = 0 } = record;
        if (unreadSignals !== run.sent.length)
          complain("L1", `${unreadSignals} signals are left of the trace, ${run.sent.length} should be`);
        run.sent = [];
        break;
      }
      case "accepted":
      case "dropped":
      case "emitted":
      case "fetched":
      case "parked":
      case "restored":
      case "resumed":
      case "spent":
      case "unloaded":
        break;
    }
  }
  return broken;
}

function receive(
  run: Run,
  { by, lineage, position, signal: name, value }: Extract<TraceRecord, { readonly type: "received" }>,
  complain: (law: string, what: string) => void,
): void {
  const text = textOf(value);
  const own = run.sent.filter((signal) => signal.name === name && signal.by === by);
  const known = own[position];
  if (known !== undefined && known.text !== text)
    complain("L10", `an earlier call of the handler has received ${known.text} here`);
  const oldest = run.sent.find((signal) => signal.name === name && signal.by === undefined);
  if (known === undefined && oldest?.text !== text)
    complain("L4", oldest === undefined ? "no such signal is left" : `the signal ${oldest.text} came before it`);
  const received = known ?? oldest;
  if (received === undefined) return;
  received.by = by;
  received.lineage = lineage;
  received.call = callOf(run, lineage);
}

function callOf({ calls }: Run, lineage: string): number {
  return calls.get(lineage) ?? 0;
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
