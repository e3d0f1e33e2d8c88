import diagnostics from "node:diagnostics_channel";
import {
  type FlowEvent,
  type Message,
  type ObservedChunk,
  type ObservedRecord,
  type ObservedRun,
  WM,
} from "penguiflow";
import type { ObservedModelCall } from "@penguiflow/planner";
import type { ChunkFact } from "../ipc/fact.ts";
import { jsonOf, keptOf } from "./plain-json.ts";

/** Types of the events that are listened for; `app` is the channel of all that handlers report themselves. */
const TYPES: readonly string[] = [
  "app",
  ...["trace_start", "trace_end", "trace_pause", "trace_unload", "trace_cancel_start", "trace_cancel_finish"],
  ...["node_start", "node_success", "node_error", "node_timeout", "node_retry", "node_failed", "node_fallback"],
  ...["node_cancelled", "node_zombie", "node_late", "node_pause", "node_resume", "node_sleep"],
  ...["deadline_skip", "message_drop", "route_drop", "result_drop", "join_wait", "deadlock"],
  ...["signal_accept", "signal_wait", "signal_drop"],
  ...["remote_call_start", "remote_stream_event", "remote_call_success", "remote_call_error", "remote_call_cancelled"],
];

/** Receives what the flows of this process do. */
export interface Observer {
  onRun(run: ObservedRun): void;
  onEvent(event: FlowEvent): void;
  onRecord(record: ObservedRecord): void;
  onChunk(chunk: ObservedChunk): void;
  onModelCall(call: ObservedModelCall): void;
}

/** Observes all flows of this process. To be called before any of them runs. */
export function observe(observer: Observer): void {
  const listen = (channel: string, listener: (message: unknown) => void): void =>
    diagnostics.subscribe(`penguiflow:${channel}`, listener);
  for (const type of TYPES) listen(type, (event) => observer.onEvent(event as FlowEvent));
  listen("run", (run) => observer.onRun(run as ObservedRun));
  listen("record", (record) => observer.onRecord(record as ObservedRecord));
  listen("model", (call) => observer.onModelCall(call as ObservedModelCall));
  listen("chunk", (chunk) => observer.onChunk(chunk as ObservedChunk));
}

/** Returns the JSON of the fact of an event. */
export function eventFact(event: FlowEvent): string {
  return `{"at":${event.at},"kind":"event","event":${jsonOf(event)}}`;
}

/**
 * Returns the JSON of the fact of a record. Payloads are written now: a handler may change them later.
 *
 * @param path - names of the playbooks around it
 */
export function recordFact({ record, seq, now }: ObservedRecord, path: readonly string[]): string {
  const parts = [`"type":"${record.type}"`, `"seq":${seq}`, `"path":${JSON.stringify(path)}`];
  for (const name of ["node", "lineage", "attempt", "why"] as const)
    if (name in record) parts.push(`"${name}":${JSON.stringify((record as Readonly<Record<string, unknown>>)[name])}`);
  if ("message" in record) parts.push(`"message":${messageJson(record.node, record.lineage, record.message)}`);
  if ("outputs" in record)
    parts.push(`"outputs":[${record.outputs.map((one) => messageJson(one.node, one.lineage, one.message)).join(",")}]`);
  if (record.type === "answered") parts.push(`"value":${keptOf(record.value)}`);
  if (record.type === "spent") parts.push(`"spent":${jsonOf(record.spent)}`, `"limits":${jsonOf(record.limits)}`);
  return `{"at":${epoch(now)},"kind":"record","record":{${parts.join(",")}}}`;
}

/** Returns the JSON of the fact of a chunk. The meta of its stream says what its text is. */
export function chunkFact({ chunk, stream, now }: ObservedChunk, path: readonly string[]): string {
  const { streamId, run, text, kind, data, done, end, node, attempt } = chunk;
  const { channel = stream.meta["channel"] } = chunk.meta;
  const fact: ChunkFact = {
    streamId,
    run,
    text,
    kind,
    data,
    done,
    end,
    node: node?.split("/").at(-1),
    attempt,
    path,
    channel: typeof channel === "string" ? channel : undefined,
  };
  return `{"at":${epoch(now)},"kind":"chunk","chunk":${jsonOf(fact)}}`;
}

/** Returns the JSON of the fact of a model call. */
export function modelFact({ runId: _, tenant: __, ...call }: ObservedModelCall): string {
  return `{"at":${call.startedAt + call.ms},"kind":"model","call":${jsonOf(call)}}`;
}

function messageJson(node: string, lineage: string, { payload, meta }: Message): string {
  const hasMeta = Object.keys(meta).length > 0;
  const rest = `${hasMeta ? `,"meta":${jsonOf(meta)}` : ""}${payload instanceof WM ? ',"isMemory":true' : ""}`;
  return `{"node":${JSON.stringify(node)},"lineage":"${lineage}","payload":${keptOf(payload)}${rest}}`;
}

/** Returns epoch milliseconds with fractions of an instant of the machine's monotonic clock. */
function epoch(now: number): number {
  return performance.timeOrigin + now;
}
