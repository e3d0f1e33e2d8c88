import path from "node:path";
import type { Overlay, Reload } from "@penguiflow/playground/protocol";
import { frameOf } from "../../project/load-error.ts";
import type { DevSettings, Fault, FromChild, LoadedFlow, Secret } from "../ipc/messages.ts";
import { Child, type ChildInit } from "./child.ts";

/** Milliseconds for runs of the old code to end. */
const DRAIN_MS = 5_000;
/** Milliseconds that code must have run for it to be started again after a crash. */
const STEADY_MS = 2_000;

/** Code of the project that is loaded, in its process. */
export interface Generation {
  readonly number: number;
  readonly child: Child;
  readonly flows: readonly LoadedFlow[];
  /** The file that exports them, relative to the project. */
  readonly entry: string;
}

/** Reports of a process about its runs. */
export type Told = Extract<FromChild, { readonly type: "facts" | "pauses" | "remembered" }>;

/** Receives what the processes tell. */
export interface GenerationEvents {
  onReady(generation: Generation, reload: Reload): void;
  /** `undefined` when the newest code loads again. */
  onOverlay(overlay: Overlay | undefined): void;
  /** The first code has no flow: there is nothing to serve. */
  onMissing(fault: Fault): void;
  onSettings(settings: DevSettings, secrets: readonly Secret[]): void;
  onFlows(flows: readonly LoadedFlow[]): void;
  onImports(files: readonly string[]): void;
  onFacts(facts: Told, child: Child): void;
  onOutput(stream: "stdout" | "stderr", text: string): void;
  /** A process that ran flows has ended. */
  onGone(child: Child): void;
}

/** Counts what would end with a process: its runs that have not ended, and questions of flows that are not durable. */
export type CountOpen = (child: Child) => Pick<Reload, "draining" | "lostQuestions">;

/**
 * The processes of the project: the one whose code is used, the one that loads newer code beside it, and older ones
 * that finish their runs. Newer code takes over once it is ready; code that does not load takes over nothing.
 *
 * States of a process: loading → current → draining → ended. A newer save ends a loading one.
 */
export class Generations {
  readonly #root: string;
  readonly #init: Pick<ChildInit, "root" | "env" | "cache">;
  readonly #events: GenerationEvents;
  readonly #countOpen: CountOpen;
  readonly #draining = new Set<Child>();
  #current: Generation | undefined;
  #readyAt = 0;
  #loading: Child | undefined;
  #execArgv: readonly string[] = [];
  #number = 0;
  #overlay: Overlay | undefined;
  #isClosed = false;

  constructor(init: Pick<ChildInit, "root" | "env" | "cache">, events: GenerationEvents, countOpen: CountOpen) {
    this.#root = init.root;
    this.#init = init;
    this.#events = events;
    this.#countOpen = countOpen;
  }

  get current(): Generation | undefined {
    return this.#current;
  }

  get overlay(): Overlay | undefined {
    return this.#overlay;
  }

  /** Loads the code as it is now. What is loading already is out of date, and is ended. */
  load(files: readonly string[], since: number): void {
    if (this.#isClosed) return;
    void this.#loading?.kill();
    const child = new Child({
      ...this.#init,
      execArgv: this.#execArgv,
      onMessage: (message, sender) => this.#onMessage(message, sender, files, since),
      onOutput: (stream, text) => this.#events.onOutput(stream, text),
      onExit: (ended) => this.#onExit(ended, files, since),
    });
    this.#loading = child;
  }

  /** Ends all processes: their runs have so many milliseconds. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    const children = [this.#loading, this.#current?.child, ...this.#draining].filter((child) => child !== undefined);
    await Promise.all(
      children.map(async (child) => {
        if (child === this.#current?.child && drainMs > 0 && this.#countOpen(child).draining > 0)
          await child.ask({ type: "drain", ms: drainMs }).catch(() => {});
        await child.kill();
      }),
    );
  }

  #onMessage(
    message: Parameters<ChildInit["onMessage"]>[0],
    child: Child,
    files: readonly string[],
    since: number,
  ): void {
    switch (message.type) {
      case "imports":
        this.#events.onImports(message.files);
        return;
      case "facts":
      case "pauses":
      case "remembered":
        this.#events.onFacts(message, child);
        return;
      case "settings":
        this.#onSettings(message, child, files, since);
        return;
      case "ready":
        this.#onReady(message, child, files, since);
        return;
      case "flows":
        if (child === this.#current?.child) this.#events.onFlows(message.flows);
        return;
      case "broken":
        this.#onBroken(message, child);
        return;
      case "crashed":
        this.#show(message.fault);
    }
  }

  #onSettings(
    { settings, secrets }: Extract<FromChild, { readonly type: "settings" }>,
    child: Child,
    files: readonly string[],
    since: number,
  ): void {
    if (child !== this.#loading) return;
    this.#events.onSettings(settings, secrets);
    if (settings.execArgv.join("\n") === child.execArgv.join("\n")) return;
    // options of Node hold from the start of a process
    this.#execArgv = settings.execArgv;
    this.load(files, since);
  }

  #onReady(
    { flows, entry }: Extract<FromChild, { readonly type: "ready" | "flows" }>,
    child: Child,
    files: readonly string[],
    since: number,
  ): void {
    if (child !== this.#loading) return;
    const old = this.#current?.child;
    this.#loading = undefined;
    this.#number += 1;
    this.#current = { number: this.#number, child, flows, entry };
    this.#readyAt = Date.now();
    if (this.#overlay !== undefined) this.#events.onOverlay((this.#overlay = undefined));
    const open = old === undefined ? { draining: 0, lostQuestions: 0 } : this.#countOpen(old);
    this.#events.onReady(this.#current, {
      at: this.#readyAt,
      ms: this.#readyAt - since,
      files: files.map((file) => path.relative(this.#root, file)),
      generation: this.#number,
      ...open,
    });
    if (old !== undefined) this.#drain(old, open.draining);
  }

  #drain(child: Child, open: number): void {
    this.#draining.add(child);
    const drained = open === 0 ? Promise.resolve() : child.ask({ type: "drain", ms: DRAIN_MS }).catch(() => {});
    void drained.then(() => child.kill());
  }

  #onBroken({ fault, isMissing }: Extract<FromChild, { readonly type: "broken" }>, child: Child): void {
    if (child !== this.#loading) return;
    this.#loading = undefined;
    if (isMissing && this.#number === 0 && this.#overlay === undefined) this.#events.onMissing(fault);
    else this.#show(fault);
  }

  #show(fault: Fault): void {
    const frame = fault.place && frameOf(this.#root, fault.place);
    this.#overlay = {
      ...fault,
      at: Date.now(),
      hasGoodCode: this.#current !== undefined,
      ...(frame !== undefined && { frame }),
    };
    this.#events.onOverlay(this.#overlay);
  }

  #onExit(child: Child, files: readonly string[], since: number): void {
    if (this.#isClosed) return;
    if (child === this.#loading) {
      this.#loading = undefined;
      this.#show({ code: "PROCESS_ENDED", message: "The project's process ended while it loaded", causes: [] });
    }
    if (this.#draining.delete(child)) this.#events.onGone(child);
    if (child !== this.#current?.child) return;
    this.#current = undefined;
    this.#events.onGone(child);
    if (this.#overlay === undefined)
      this.#show({ code: "PROCESS_ENDED", message: "The project's process has ended", causes: [] });
    // code that ends at once would be started for ever
    if (Date.now() - this.#readyAt > STEADY_MS && this.#loading === undefined) this.load(files, since);
  }
}
