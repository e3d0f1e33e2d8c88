// The worker process of a subject of the cluster workloads:
// `cluster-worker.ts <subject> <address of its server> <options as JSON>`.
import { loadSubject } from "./registry.ts";
import type { Passed } from "./workloads/cluster.ts";

/** Options of a worker of PenguiFlow's clusters; the others have none. */
export interface WorkerSettings {
  readonly name: string;
  readonly leaseMs: number;
  readonly maxInFlight: number;
  /** Milliseconds that each step waits. */
  readonly stepMs: number;
}

/** A worker at work. */
export interface Working {
  /** Makes requests itself, where no client elsewhere makes them. */
  readonly request?: (ids: readonly number[]) => Promise<readonly Passed[]>;
  /** Hands over what it has. */
  readonly drain?: () => Promise<unknown>;
}

export type Work = (address: string, settings: WorkerSettings) => Promise<Working>;

/** Tells the worker process what to do, or asks for its processor time. */
export type Ask =
  | { readonly kind: "request"; readonly ids: readonly number[] }
  | { readonly kind: "drain" }
  | { readonly kind: "time" };

const [subject, address, settings] = process.argv.slice(2) as [string, string, string];
process.once("disconnect", () => process.exit());
const work = (await loadSubject(subject))["work"] as Work;
const { request, drain } = await work(address, JSON.parse(settings) as WorkerSettings);

async function answer(ask: Ask): Promise<unknown> {
  if (ask.kind === "request") return await request!(ask.ids);
  if (ask.kind === "drain") return await drain!();
  const { user, system } = process.cpuUsage();
  return user + system;
}

process.on("message", ({ call, ask }: { readonly call: number; readonly ask: Ask }) => {
  void answer(ask).then((value) => process.send!({ call, value }));
});
process.send!({ isReady: true });
