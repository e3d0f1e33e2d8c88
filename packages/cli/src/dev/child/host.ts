import { readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { DEFAULT_TENANT, type FlowStats } from "penguiflow";
import { findEntry } from "../../project/find-entry.ts";
import { type AnyPlanner, flowsOf, type FoundFlow } from "../../project/find-flows.ts";
import { load, loadConfig, loadEnvFile } from "../../project/load-project.ts";
import type { Answers, Ask, FromChild } from "../ipc/messages.ts";
import { Mask, secretsOf } from "../ipc/secrets.ts";
import { AguiServer } from "./agui.ts";
import { observe } from "./observe.ts";
import { Observing } from "./observing.ts";
import { Outbox } from "./outbox.ts";
import { jsonOf } from "./plain-json.ts";
import { PauseLister } from "./pause-lister.ts";
import { onImport } from "./resolve-hook.ts";
import { Refusal } from "./refusal.ts";
import { editMemory, memoryOf, rememberedOf } from "./thread-memory.ts";
import { toolsOf } from "./tool-try.ts";
import { ShownFlows } from "./shown-flows.ts";

/** Sends a message to the supervisor, and calls back once it is taken. */
export type Send = (message: FromChild, sent?: () => void) => void;

/** The project in this process: its flows run, and what happens in them is told. */
export class Host {
  readonly #root: string;
  readonly #send: Send;
  readonly #flows: ShownFlows;
  readonly #outbox: Outbox;
  readonly #pauses: PauseLister;
  readonly #observing: Observing;
  readonly #agui: AguiServer;
  #entry = "";
  #mask = new Mask([]);

  constructor(root: string, send: Send) {
    this.#root = root;
    this.#send = send;
    this.#agui = new AguiServer(root);
    const mask = (text: string): string => this.#mask.text(text);
    this.#outbox = new Outbox(mask, send, (flow) => this.#stats(flow));
    this.#flows = new ShownFlows(
      (flow) => (runId, tenant, fact) => this.#observing.tell(flow, runId, tenant, fact),
      (found, thread, tenant) => {
        if (thread !== undefined && found.planner !== undefined) void this.#tellMemory(found.planner, thread, tenant);
      },
    );
    const sendAfterFacts = (message: FromChild): void => {
      this.#outbox.flush();
      send(message);
    };
    this.#pauses = new PauseLister(sendAfterFacts, mask);
    this.#observing = new Observing(this.#flows, this.#outbox, this.#pauses, () => this.#sendFlows("flows"));
  }

  /** Loads the project and runs its flows. */
  async load(): Promise<void> {
    const root = this.#root;
    onImport(root, (file) => this.#send({ type: "imports", files: [file] }));
    observe(this.#observing);
    const env = path.join(root, ".env");
    loadEnvFile(env);
    const secrets = secretsOf(readEnv(env), process.env);
    this.#mask = new Mask(secrets);
    const config = await loadConfig(root);
    const { execArgv = [], origins = [] } = config.dev ?? {};
    this.#send({ type: "settings", settings: { execArgv, origins }, secrets });
    const entry = findEntry(root, config.entry);
    this.#entry = path.relative(root, entry);
    const exported = flowsOf(await load(entry, root));
    if (exported.length === 0) throw new NoFlow(path.relative(root, entry));
    for (const found of exported) {
      const options = (await config.run?.(found.flow)) ?? {};
      this.#flows.add({ ...found, options });
      // the project may have started it itself
      if (!found.flow.isRunning) await start(found, options);
    }
    this.#observing.exportsAreKnown();
    this.#sendFlows("ready");
    for (const running of this.#flows.all) if (running.found.flow.isDurable) this.#pauses.look(running);
  }

  /** Answers a question of the supervisor. */
  async answer<Type extends Ask["type"]>(ask: Extract<Ask, { type: Type }>): Promise<Answers[Type]>;
  async answer(ask: Ask): Promise<unknown> {
    if (ask.type === "drain") return await this.#drain(ask.ms);
    if (ask.type === "aguiNext") return await this.#agui.next(ask.key);
    if (ask.type === "aguiLeave") {
      this.#agui.leave(ask.key);
      return null;
    }
    const running = this.#flows.get(ask.flow);
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
      case "agui":
        return await this.#agui.open(running, ask.body);
      case "tools":
        return running.found.planner === undefined
          ? { tools: [], sources: [] }
          : await toolsOf(running.found.planner, DEFAULT_TENANT);
      case "reconnect":
        try {
          await running.found.planner?.reconnect(ask.source);
        } catch (error) {
          throw new Refusal("TOOL_UNKNOWN", (error as Error).message);
        }
        return null;
      case "callTool":
        await running.callTool(ask.runId, ask.tenant, ask);
        return null;
      case "memory": {
        const { planner, options } = running.found;
        if (planner === undefined)
          throw new Refusal("INPUT_INVALID", `"${ask.flow}" is a flow: a planner alone remembers its threads`);
        return await memoryOf(planner, ask, Object.keys(options.resources ?? {}));
      }
      case "editMemory": {
        const { planner } = running.found;
        if (planner === undefined) throw new Refusal("INPUT_INVALID", `"${ask.flow}" is a flow: it remembers nothing`);
        await editMemory(planner, ask);
        await this.#tellMemory(planner, ask.thread, ask.tenant);
        return null;
      }
    }
  }

  async #drain(ms: number): Promise<Answers["drain"]> {
    const reports = await Promise.all(this.#flows.all.map(async ({ found }) => await found.flow.stop({ drainMs: ms })));
    // the last events are told before this process ends
    await Promise.all(this.#flows.all.map(async ({ found }) => await found.flow.flush()));
    this.#outbox.flush();
    return { cancelled: reports.reduce((sum, { cancelled }) => sum + cancelled, 0) };
  }

  async #tellMemory(planner: AnyPlanner, thread: string, tenant: string): Promise<void> {
    const items = await rememberedOf(planner, { tenant, thread });
    if (items !== undefined) this.#send({ type: "remembered", thread, items: this.#mask.text(jsonOf(items)) });
  }

  #stats(name: string): FlowStats | undefined {
    const flow = this.#flows.find(name)?.found.flow;
    return flow?.isRunning === true ? flow.stats() : undefined;
  }

  #sendFlows(type: "ready" | "flows"): void {
    this.#send({ type, flows: this.#flows.describe(), entry: this.#entry });
  }
}

/** Thrown when the entry exports no flow. */
export class NoFlow extends Error {
  override readonly name = "NoFlow";

  constructor(entry: string) {
    super(`${entry} exports no flow: export what create or createPlanner returns; functions are not called`);
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

function readEnv(file: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}
