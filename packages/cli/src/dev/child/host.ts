import { readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import type { FlowEvent, FlowStats } from "penguiflow";
import { flowsOf, type FoundFlow } from "../../project/find-flows.ts";
import { loadConfig, loadEnvFile } from "../../project/load-project.ts";
import { findEntry } from "../../project/find-entry.ts";
import { load } from "../../project/load-project.ts";
import type { Answers, Ask, FromChild } from "../ipc/messages.ts";
import { describeFlow } from "./describe-flow.ts";
import { jsonOf } from "./plain-json.ts";
import { onEvents } from "./observe.ts";
import { Outbox } from "./outbox.ts";
import { onImport } from "./resolve-hook.ts";
import { Refusal } from "./refusal.ts";
import { RunningFlow } from "./running-flow.ts";
import { Mask, secretsOf } from "../ipc/secrets.ts";
import { openTickets } from "./tickets.ts";

/** Events after which the open pauses of a flow may be others. */
const OF_PAUSES: ReadonlySet<string> = new Set(["node_pause", "trace_pause", "node_resume", "trace_end"]);

/** Sends a message to the supervisor, and calls back once it is taken. */
export type Send = (message: FromChild, sent?: () => void) => void;

/** The project in this process: its flows run, and what happens in them is told. */
export class Host {
  readonly #root: string;
  readonly #send: Send;
  readonly #flows = new Map<string, RunningFlow>();
  /** Tenants of each flow that have had a pause. */
  readonly #tenants = new Map<string, Set<string>>();
  /** Flows whose pauses are to be listed. */
  readonly #stale = new Set<string>();
  #mask = new Mask([]);
  readonly #outbox: Outbox;

  constructor(root: string, send: Send) {
    this.#root = root;
    this.#send = send;
    const mask = (text: string): string => this.#mask.text(text);
    this.#outbox = new Outbox(mask, send, (flow) => this.#stats(flow));
  }

  /** Loads the project and runs its flows. */
  async load(): Promise<void> {
    const root = this.#root;
    onImport(root, (file) => this.#send({ type: "imports", files: [file] }));
    onEvents((event) => this.#onEvent(event));
    const env = path.join(root, ".env");
    loadEnvFile(env);
    const secrets = secretsOf(readEnv(env), process.env);
    this.#mask = new Mask(secrets);
    const config = await loadConfig(root);
    const { execArgv = [], origins = [] } = config.dev ?? {};
    this.#send({ type: "settings", settings: { execArgv, origins }, secrets });
    const entry = findEntry(root, config.entry);
    const found = flowsOf(await load(entry, root));
    if (found.length === 0) throw new NoFlow(path.relative(root, entry));
    for (const flow of uniquelyNamed(found)) {
      // the project may have started it itself
      if (!flow.flow.isRunning) await start(flow, (await config.run?.(flow.flow)) ?? {});
      this.#flows.set(
        flow.name,
        new RunningFlow(flow, (runId, tenant, fact) => this.#tell(flow.name, runId, tenant, fact)),
      );
    }
    const flows = [...this.#flows.values()].map(({ found: each }) => describeFlow(each));
    this.#send({ type: "ready", flows });
    for (const { found: each } of this.#flows.values())
      if (each.flow.isDurable) this.#lookAtPauses(each.name, "default");
  }

  /** Answers a question of the supervisor. */
  async answer<Type extends Ask["type"]>(ask: Extract<Ask, { type: Type }>): Promise<Answers[Type]>;
  async answer(ask: Ask): Promise<unknown> {
    if (ask.type === "drain") return await this.#drain(ask.ms);
    const running = this.#flowOf(ask.flow);
    switch (ask.type) {
      case "start":
        await running.begin(ask);
        return null;
      case "cancel": {
        const { aborted, zombies, dropped } = await running.cancel(ask.runId, ask.tenant);
        return { stopped: aborted - zombies, givenUp: zombies, dropped };
      }
      case "steer":
        await running.steer(ask.runId, ask.tenant, ask.text);
        return null;
      case "resume":
        await running.resume(ask.runId, ask.tenant, ask.token, ask.value);
        return null;
      case "stats":
        return this.#stats(ask.flow);
      case "memory":
        throw new Refusal("THREAD_UNKNOWN", `"${ask.flow}" has no memory`);
    }
  }

  async #drain(ms: number): Promise<Answers["drain"]> {
    const reports = await Promise.all(
      [...this.#flows.values()].map(async ({ found }) => await found.flow.stop({ drainMs: ms })),
    );
    this.#outbox.flush();
    return { cancelled: reports.length };
  }

  #flowOf(name: string): RunningFlow {
    const found = this.#flows.get(name);
    if (found === undefined) throw new Refusal("FLOW_UNKNOWN", `There is no flow "${name}"`);
    return found;
  }

  #stats(name: string): FlowStats | undefined {
    const flow = this.#flows.get(name)?.found.flow;
    return flow?.isRunning === true ? flow.stats() : undefined;
  }

  #onEvent(event: FlowEvent): void {
    // a playbook is named after the flow that calls it
    const flow = this.#rootOf(event.flow);
    this.#tell(flow, event.traceId, event.tenant, `{"at":${event.at},"kind":"event","event":${jsonOf(event)}}`);
    if (!OF_PAUSES.has(event.type)) return;
    if (event.type === "node_resume") this.#flows.get(flow)?.resumedRun(event.traceId);
    if (event.type !== "trace_end" || this.#tenants.has(flow)) this.#lookAtPauses(flow, event.tenant);
  }

  #rootOf(name: string): string {
    for (let part = name; ; part = part.slice(0, part.lastIndexOf("/"))) {
      if (this.#flows.has(part)) return part;
      if (!part.includes("/")) return name;
    }
  }

  #tell(flow: string, runId: string, tenant: string, fact: string): void {
    const place = JSON.stringify({ flow, runId, tenant });
    this.#outbox.add(flow, `${place.slice(0, -1)},${fact.slice(1)}`);
  }

  /** Lists the pauses of a flow again, once for all events of a moment. */
  #lookAtPauses(flow: string, tenant: string): void {
    const tenants = this.#tenants.get(flow) ?? new Set<string>();
    this.#tenants.set(flow, tenants.add(tenant));
    if (this.#stale.has(flow)) return;
    this.#stale.add(flow);
    setImmediate(() => {
      this.#stale.delete(flow);
      const found = this.#flows.get(flow)?.found;
      if (found === undefined || !found.flow.isRunning) return;
      // a flow that has stopped meanwhile has no pauses to tell of
      this.#tellPauses(found, tenants).catch(() => {});
    });
  }

  async #tellPauses(found: FoundFlow, tenants: Iterable<string>): Promise<void> {
    const tickets = await openTickets(found, tenants);
    this.#outbox.flush();
    this.#send({ type: "pauses", flow: found.name, tickets: this.#mask.text(jsonOf(tickets)) });
  }
}

/** Thrown when the entry exports no flow. */
export class NoFlow extends Error {
  override readonly name = "NoFlow";
  readonly entry: string;

  constructor(entry: string) {
    super(`${entry} exports no flow`);
    this.entry = entry;
  }
}

async function start({ flow, planner }: FoundFlow, options: object): Promise<void> {
  if (planner === undefined) flow.run(options);
  else planner.start(options);
  // the lease of a durable flow may be with the older process, which goes once this one is ready
  if (!flow.isDurable) await flow.ready();
  else
    flow
      .ready()
      .catch((error: unknown) => process.stderr.write(`Flow "${flow.name}" is not ready: ${String(error)}\n`));
}

function uniquelyNamed(found: readonly FoundFlow[]): FoundFlow[] {
  const names = new Set<string>();
  return found.map((flow) => {
    const name = names.has(flow.name) ? `${flow.name} (${flow.exported})` : flow.name;
    names.add(name);
    return { ...flow, name };
  });
}

function readEnv(file: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}
