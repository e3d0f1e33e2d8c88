import type { DatabaseSync } from "node:sqlite";
import path from "node:path";
import type { FlowEvent, GraphJson } from "penguiflow";
import type { FlowSummary, Overlay, Reload } from "@penguiflow/playground/protocol";
import { Feed } from "../feed/feed.ts";
import type { RunFact } from "../ipc/fact.ts";
import type { DevSettings, Fault, LoadedFlow, OpenTicket } from "../ipc/messages.ts";
import { Mask } from "../ipc/secrets.ts";
import { Entries } from "../runs/entries.ts";
import { Pauses } from "../runs/pauses.ts";
import { ToolTallies } from "../runs/tool-tallies.ts";
import { Runs } from "../runs/runs.ts";
import { Threads } from "../runs/threads.ts";
import { ApiError } from "../server/api-error.ts";
import { openDevStore } from "../store/dev-store.ts";
import { ThreadRows } from "../store/thread-rows.ts";
import type { Child } from "./child.ts";
import { type Generation, Generations, type Told } from "./generations.ts";
import { LogLines } from "./log-lines.ts";
import { Watcher } from "./watcher.ts";

/** Options of a supervisor. */
export interface SupervisorOptions {
  /** Absolute path of the project. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly reloads: boolean;
  /** Whether the project's other processes are none of another server. @defaultValue true */
  readonly isOwner?: boolean;
  readonly onReady: (generation: Generation, reload: Reload) => void;
  readonly onOverlay: (overlay: Overlay | undefined) => void;
  readonly onMissing: (fault: Fault) => void;
  readonly onOutput: (stream: "stdout" | "stderr", text: string) => void;
  readonly onSettings: (settings: DevSettings) => void;
}

/** A project under development: its processes, its runs and what is told of them. It never imports the project. */
export class Supervisor implements AsyncDisposable {
  readonly root: string;
  readonly env: SupervisorOptions["env"];
  readonly runs: Runs;
  readonly threads: Threads;
  readonly pauses = new Pauses();
  readonly feed = new Feed();
  readonly entries = new Entries((flow) => this.feed.tell({ type: "entry", flow, ...this.entries.view(flow) }));
  readonly logs: LogLines;
  readonly tallies = new ToolTallies();
  readonly #database: DatabaseSync;
  readonly #watcher: Watcher | undefined;
  readonly #generations: Generations;
  #mask = new Mask([]);
  #execArgv: readonly string[] = [];
  #reload: Reload | undefined;
  #flows: ReadonlyMap<string, LoadedFlow> = new Map();

  constructor(options: SupervisorOptions) {
    const { root, env, reloads } = options;
    this.root = root;
    this.env = env;
    this.#database = openDevStore(root);
    this.runs = new Runs(
      this.#database,
      {
        onRun: (run) => this.feed.tell({ type: "run", run }),
        isDurable: (flow) => this.#flows.get(flow)?.isDurable ?? false,
        isHeld: ({ flow, runId }) => this.entries.has(flow, runId),
        countPauses: ({ flow, runId }) => this.pauses.list({ flow, runId }).length,
      },
      options.isOwner ?? true,
    );
    this.threads = new Threads(new ThreadRows(this.#database), this.runs);
    this.logs = new LogLines(
      (text) => this.#mask.text(text),
      (line) => this.feed.addLog(line),
    );
    this.#generations = new Generations(
      { root, env, cache: path.join(root, ".penguiflow", "cache") },
      {
        onReady: (generation, reload) => {
          this.#flows = new Map(generation.flows.map((flow) => [flow.name, flow]));
          this.#reload = reload;
          this.feed.tell({ type: "reload", reload });
          options.onReady(generation, reload);
        },
        onOverlay: (overlay) => {
          this.feed.tell({ type: "overlay", ...(overlay !== undefined && { overlay: this.#masked(overlay) }) });
          options.onOverlay(overlay);
        },
        onMissing: options.onMissing,
        onSettings: (settings, secrets) => {
          this.#mask = new Mask(secrets);
          this.#execArgv = settings.execArgv;
          options.onSettings(settings);
        },
        onFlows: (flows) => {
          this.#flows = new Map(flows.map((flow) => [flow.name, flow]));
          if (this.#reload !== undefined) this.feed.tell({ type: "reload", reload: this.#reload });
        },
        onImports: (files) => {
          for (const file of files) this.#watcher?.add(file);
        },
        onFacts: (message, child) => this.#onFacts(message, child),
        onOutput: (stream, text) => {
          this.logs.add(stream, text);
          options.onOutput(stream, text);
        },
        onGone: (child) => {
          this.pauses.lose(child);
          this.runs.lose(child);
          this.feed.tell({ type: "pause", open: this.pauses.size });
        },
      },
      (child) => ({ draining: this.runs.countOpen(child), lostQuestions: this.pauses.countVolatile(child) }),
    );
    this.#watcher = reloads ? new Watcher(root, (files, since) => this.#generations.load(files, since)) : undefined;
  }

  /** Loads the project for the first time. */
  start(): void {
    this.#generations.load([], Date.now());
  }

  get state(): "starting" | "ready" | "broken" {
    if (this.overlay !== undefined) return "broken";
    return this.#generations.current === undefined ? "starting" : "ready";
  }

  /** The file that exports the flows, relative to the project. */
  get entry(): string | undefined {
    return this.#generations.current?.entry;
  }

  /** Options of Node for the project's processes, by its settings. */
  get execArgv(): readonly string[] {
    return this.#execArgv;
  }

  get reload(): Reload | undefined {
    return this.#reload;
  }

  get generation(): number {
    return this.#generations.current?.number ?? 0;
  }

  get overlay(): Overlay | undefined {
    const { overlay } = this.#generations;
    return overlay && this.#masked(overlay);
  }

  /** The flows of the latest code that loads. */
  get flows(): readonly LoadedFlow[] {
    return [...this.#flows.values()];
  }

  /** @throws ApiError `FLOW_UNKNOWN` */
  flow(name: string): LoadedFlow {
    const found = this.#flows.get(name);
    if (found === undefined) throw new ApiError("FLOW_UNKNOWN", `There is no flow "${name}"`);
    return found;
  }

  /** Returns the graph of a flow, if the latest code has that flow. */
  graphOf(name: string): GraphJson | undefined {
    return this.#flows.get(name)?.graph;
  }

  summaryOf({ name, kind, exported, takesText, isDurable, graph, findings }: LoadedFlow): FlowSummary {
    return {
      name,
      kind,
      takesText,
      isDurable,
      nodeCount: graph.nodes.length,
      findingCount: findings.length,
      openPauses: this.pauses.list({ flow: name }).length,
      ...(this.entries.isHeld(name) && { held: this.entries.view(name).waiting }),
      ...(exported !== undefined && { exported }),
    };
  }

  /**
   * The process that new runs go to.
   *
   * @throws ApiError `FLOW_NOT_RUNNING`
   */
  get child(): Child {
    const child = this.#generations.current?.child;
    if (child === undefined)
      throw new ApiError("FLOW_NOT_RUNNING", "No code of the project runs: it is loading, or does not load");
    return child;
  }

  /** @throws ApiError `FLOW_NOT_RUNNING` */
  requireCode(): void {
    void this.child;
  }

  /** Ends everything. Runs have so many milliseconds to end. */
  async close(drainMs: number): Promise<void> {
    this.#watcher?.[Symbol.dispose]();
    await this.#generations.close(drainMs);
    this.feed[Symbol.dispose]();
    this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  /** Returns the name of a flow among those that are known, of which a playbook's begins with it. */
  rootOf(name: string): string {
    for (let part = name; ; part = part.slice(0, part.lastIndexOf("/"))) {
      if (this.#flows.has(part)) return part;
      if (!part.includes("/")) return name;
    }
  }

  #onFacts(message: Told, child: Child): void {
    if (message.type === "remembered") {
      this.threads.rows.setMemory(message.thread, JSON.parse(message.items) as readonly unknown[]);
      return;
    }
    if (message.type === "pauses") {
      const tickets = JSON.parse(message.tickets) as readonly OpenTicket[];
      const isDurable = this.#flows.get(message.flow)?.isDurable ?? false;
      const changed = this.pauses.replace(message.flow, tickets, child, isDurable);
      for (const place of changed) this.runs.waitsChanged(place);
      if (changed.length > 0) this.feed.tell({ type: "pause", open: this.pauses.size });
      return;
    }
    const facts = JSON.parse(message.facts) as readonly RunFact[];
    this.runs.add(facts, child, message.skipped > 0);
    this.tallies.add(facts);
    const events = facts.flatMap((fact): FlowEvent[] => (fact.kind === "event" ? [fact.event] : []));
    this.feed.add(events, message.stats, message.skipped, (flow) => this.rootOf(flow));
  }

  #masked(overlay: Overlay): Overlay {
    return JSON.parse(this.#mask.text(JSON.stringify(overlay))) as Overlay;
  }
}
