import type { TraceRecord } from "../../ports/trace-recorder.ts";
import { lineOf, receiverOf, requestOf, type Restart } from "./record-laws.ts";

/** A signal that is not consumed. */
interface Sent {
  readonly name: string;
  readonly text: string;
  /** Message that has received it, in a playbook the playbook's. */
  by: string | undefined;
  /** Message of the trace that has received it. */
  lineage: string | undefined;
  /** Message that consumes it: in a durable flow also that of a playbook. */
  consumer: string | undefined;
  /** Number of the handler call of the consumer that received it last. */
  call: number;
}

/** The traces of one request, its playbooks' included. */
interface Request {
  /** Signals by the run of their trace. */
  readonly sent: Map<string, Sent[]>;
  /** Number of handler calls by message. */
  readonly calls: Map<string, number>;
}

/**
 * Checks the records of a flow in order: each signal is received by one message, in the order of acceptance, again in
 * each call of its handler until the message is done, and never after that. Returns one line per violation.
 *
 * @param isDurable - whether a playbook continues without its caller, so that its messages consume signals
 */
export function brokenSignals(records: readonly (TraceRecord | Restart)[], isDurable: boolean): string[] {
  const broken: string[] = [];
  const requests = new Map<string, Request>();
  for (const [index, record] of records.entries()) {
    if (record.type === "restart") continue;
    const request = requests.get(requestOf(record)) ?? {
      sent: new Map<string, Sent[]>(),
      calls: new Map<string, number>(),
    };
    requests.set(requestOf(record), request);
    const { run } = record;
    const complain = (law: string, what: string): void =>
      void broken.push(`${law} at record ${index}: ${what}: ${lineOf(record)}`);
    switch (record.type) {
      case "signalled": {
        const signal = { name: record.signal, text: textOf(record.value), call: 0 };
        const sent = request.sent.get(run) ?? [];
        sent.push({ ...signal, by: undefined, lineage: undefined, consumer: undefined });
        request.sent.set(run, sent);
        break;
      }
      case "started":
        request.calls.set(record.lineage, callOf(request, record.lineage) + 1);
        break;
      case "received":
        receive(request, record, isDurable, complain);
        break;
      case "committed":
        for (const [of, sent] of request.sent) request.sent.set(of, unconsumed(request, sent, record.lineage));
        break;
      case "ended": {
        const { unreadSignals = 0 } = record;
        const left = request.sent.get(run)?.length ?? 0;
        if (unreadSignals !== left) complain("L1", `${unreadSignals} signals are left of the trace, ${left} should be`);
        request.sent.delete(run);
        break;
      }
      case "accepted":
      case "answered":
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
  request: Request,
  record: Extract<TraceRecord, { readonly type: "received" }>,
  isDurable: boolean,
  complain: (law: string, what: string) => void,
): void {
  const { run, by, lineage, position, signal: name, value } = record;
  const text = textOf(value);
  const sent = request.sent.get(run) ?? [];
  const own = sent.filter((signal) => signal.name === name && signal.by === by);
  const known = own[position];
  if (known !== undefined && known.text !== text)
    complain("L10", `an earlier call of the handler has received ${known.text} here`);
  const oldest = sent.find((signal) => signal.name === name && signal.by === undefined);
  if (known === undefined && oldest?.text !== text)
    complain("L4", oldest === undefined ? "no such signal is left" : `the signal ${oldest.text} came before it`);
  const received = known ?? oldest;
  if (received === undefined) return;
  received.by = by;
  received.lineage = lineage;
  received.consumer = isDurable ? receiverOf(record) : lineage;
  received.call = callOf(request, received.consumer);
}

/** Returns what is left of the signals when a message commits. Those of its earlier calls can be received again. */
function unconsumed(request: Request, sent: readonly Sent[], committed: string): Sent[] {
  return sent.filter((signal) => {
    if (signal.consumer === committed && signal.call === callOf(request, committed)) return false;
    if (signal.consumer === committed || signal.lineage === committed)
      signal.by = signal.lineage = signal.consumer = undefined;
    return true;
  });
}

function callOf({ calls }: Request, lineage: string): number {
  return calls.get(lineage) ?? 0;
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
