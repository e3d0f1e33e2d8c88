import type { ServerResponse } from "node:http";
import type {
  EntryChange,
  EntryView,
  FeedItem,
  MemoryEdit,
  MemoryView,
  Overlay,
  PauseView,
  ProjectView,
  Reload,
  RunStreamItem,
  RunSummary,
  ThreadItem,
  ThreadSummary,
  ThreadView,
  TurnView,
} from "../../src/protocol.ts";
import { LifelikeFlow, type Load } from "../load/lifelike-flow.ts";
import { manyRuns } from "../load/support-run.ts";
import { Readers } from "./feed.ts";
import { flowSummaries } from "./flows.ts";
import { ScriptedRun } from "./scripted-run.ts";
import { play, type Wait } from "./support-script.ts";

interface ScriptedThread {
  readonly id: string;
  readonly flow: string;
  readonly turns: { readonly text: string; readonly at: number; readonly run: ScriptedRun }[];
  readonly readers: Readers;
  readonly madeAt: number;
}

/** Options of {@link World}. */
export interface WorldOptions {
  /** Real milliseconds for each one of a script; 0 plays scripts at once. @defaultValue 1 */
  readonly pace?: number;
  /** Number of generated runs in the list. @defaultValue 0 */
  readonly runs?: number;
  /** Load of a flow, "wide" unless it names another, which frames tell ten times a second. @defaultValue none */
  readonly load?: Partial<Load>;
  /** Instant at which its time stands; runs have begun ten seconds before. @defaultValue time passes */
  readonly at?: number;
}

/** All that the scripted server knows: threads, runs, pauses, and its readers. */
export class World {
  readonly feed = new Readers();
  readonly runs = new Map<string, ScriptedRun>();
  readonly threads = new Map<string, ScriptedThread>();
  readonly opened: { readonly file: string; readonly line?: number }[] = [];
  readonly drafts = new Map<string, unknown>();
  /** Requests that changed something, in order. */
  readonly asked: { readonly route: string; readonly body: unknown }[] = [];
  readonly generated: readonly RunSummary[];
  /** The flow under load, and its name. */
  readonly loaded: LifelikeFlow;
  readonly loadedName: string;
  overlay: Overlay | undefined;
  isReadOnly = false;
  /** Whether runs read no messages of people until `readSteering` is called. */
  holdsSteering = false;
  #reload: Reload;
  readonly #unread: (() => void)[] = [];
  readonly #runReaders = new Map<string, Readers>();
  readonly #pace: number;
  readonly #at: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #seq = 1;
  #ids = 0;
  /** Changed items of the memory, by position. */
  readonly #memory = new Map<number, MemoryEdit | undefined>();
  /** Starts of runs that wait at the entries that are held. */
  readonly #held = new Map<string, (() => void)[]>();

  constructor({ pace = 1, runs = 0, load, at }: WorldOptions = {}) {
    this.#pace = pace;
    this.#at = at;
    this.#reload = {
      at: this.now() - 60_000,
      ms: 224,
      files: ["src/tools.ts"],
      generation: 2,
      draining: 0,
      lostQuestions: 0,
    };
    this.generated = manyRuns(runs, this.now());
    const slow = { "score-1": 420, "embed-2": 300, "store-1": 60 };
    this.loadedName = load?.flow ?? "wide";
    this.loaded = new LifelikeFlow({ perSecond: 12, slow, ...load });
    if (load !== undefined && at === undefined) this.#timer = setInterval(() => this.playFrame(), 100);
  }

  /** Returns the instant. */
  now(): number {
    return this.#at ?? Date.now();
  }

  /** Lets a tenth of a second pass in the flow under load. */
  playFrame(): void {
    const frame = this.loaded.frame();
    // the model has a time of its own: the page measures against its clock
    const shift = this.now() - frame.at;
    const events = frame.events.map((event) => ({ ...event, at: event.at + shift }));
    if (this.feed.size > 0) this.tell({ type: "frame", ...frame, seq: this.#next(), at: frame.at + shift, events });
  }

  project(): ProjectView {
    return {
      name: "my-agent",
      root: "/projects/shop/my-agent",
      versions: { penguiflow: "0.1.0", cli: "0.1.0", node: "v24.21.0" },
      flows: flowSummaries((flow) => this.pauses().filter((pause) => pause.flow === flow).length).map((flow) => {
        const { isHeld, waiting } = this.#entry(flow.name);
        return isHeld ? { ...flow, held: waiting } : flow;
      }),
      state: this.overlay === undefined ? "ready" : "broken",
      reload: this.#reload,
      ...(this.overlay === undefined ? {} : { overlay: this.overlay }),
      isReadOnly: this.isReadOnly,
    };
  }

  pauses(): PauseView[] {
    return [...this.runs.values()].flatMap((run) => run.pauses).sort((one, other) => one.since - other.since);
  }

  summaries(): RunSummary[] {
    return [...this.runs.values()].map((run) => run.summary).toReversed();
  }

  newThread(flow: string, forkOf?: { readonly id: string; readonly turn: number }): ScriptedThread {
    const id = this.#newId("thread");
    const source = forkOf === undefined ? undefined : this.threads.get(forkOf.id);
    const thread: ScriptedThread = {
      id,
      flow,
      turns: source === undefined ? [] : source.turns.slice(0, forkOf?.turn ?? 0),
      readers: new Readers(),
      madeAt: this.now(),
    };
    this.threads.set(id, thread);
    return thread;
  }

  /** Sends a message to a thread: a run begins. */
  say(thread: ScriptedThread, text: string): ScriptedRun {
    const run = this.startRun(thread.flow, text, { text }, thread.id);
    thread.turns.push({ text, at: this.now(), run });
    this.#tellTurn(thread, thread.turns.length - 1);
    this.tell({ type: "thread", seq: this.#next(), thread: thread.id, flow: thread.flow });
    return run;
  }

  /** Begins a run that follows the script of its text. */
  startRun(flow: string, text: string, input: unknown, thread?: string): ScriptedRun {
    const startedAt = this.#at === undefined ? Date.now() : this.#at - 10_000;
    const summary: RunSummary = {
      id: this.#newId("run"),
      flow,
      tenant: "default",
      state: "running",
      startedAt,
      input: text,
      retries: 0,
      openPauses: 0,
      ...(thread === undefined ? {} : { thread }),
    };
    const run = new ScriptedRun(summary, input, {
      changed: (changed, item) => this.#changed(changed, item),
      now: (passedMs) => (this.#at === undefined ? Date.now() : startedAt + passedMs),
    });
    this.runs.set(summary.id, run);
    this.tell({ type: "run", seq: this.#next(), run: run.summary });
    const begin = (): void =>
      void play(run, text, this.#wait).catch((error: unknown) => {
        if (!run.stop.signal.aborted) run.end("failed", { error: { code: "NODE_FAILED", message: String(error) } });
      });
    const waiting = this.#held.get(flow);
    waiting?.push(begin);
    if (waiting === undefined) begin();
    else this.#tellEntry(flow);
    return run;
  }

  /** Holds or opens an entry, or lets the oldest message go. */
  changeEntry(flow: string, change: EntryChange): EntryView {
    const waiting = this.#held.get(flow) ?? [];
    if ("letGo" in change) waiting.shift()?.();
    else if (change.isHeld) this.#held.set(flow, waiting);
    else {
      this.#held.delete(flow);
      for (const begin of waiting) begin();
    }
    this.#tellEntry(flow);
    return this.#entry(flow);
  }

  steer(run: ScriptedRun, text: string): number {
    run.part({ type: "steer", text, state: "queued" });
    this.#unread.push(() => run.steering.push(text));
    if (!this.holdsSteering) this.readSteering();
    return run.parts.filter((part) => part.type === "steer" && part.state === "queued").length;
  }

  /** Lets runs read the messages that were held. */
  readSteering(): void {
    for (const read of this.#unread.splice(0)) read();
  }

  readRun(run: ScriptedRun, response: ServerResponse): void {
    const readers = this.#runReaders.get(run.summary.id) ?? new Readers();
    this.#runReaders.set(run.summary.id, readers);
    readers.add(response);
    readers.send(run.snapshot(), response);
    if (!run.isOver) return;
    readers.send({ type: "end", ...{ run: run.summary } }, response);
    response.end();
  }

  readThread(thread: ScriptedThread, response: ServerResponse): void {
    thread.readers.add(response);
    thread.readers.send({ type: "thread", ...{ thread: this.threadView(thread) } }, response);
  }

  readFeed(response: ServerResponse): void {
    this.feed.add(response);
    const hello: FeedItem = { type: "hello", seq: this.#seq, generation: 2, isGap: false };
    this.feed.send(hello, response);
  }

  threadSummary(thread: ScriptedThread): ThreadSummary {
    const last = thread.turns.at(-1);
    return {
      id: thread.id,
      flow: thread.flow,
      title: thread.turns[0]?.text.slice(0, 80) ?? "",
      turnCount: thread.turns.length,
      state: last?.run.summary.state ?? "new",
      at: last?.at ?? thread.madeAt,
      tokens: thread.turns.reduce(
        (sum, { run }) => sum + (run.summary.tokens?.in ?? 0) + (run.summary.tokens?.out ?? 0),
        0,
      ),
    };
  }

  threadView(thread: ScriptedThread): ThreadView {
    return { ...this.threadSummary(thread), turns: thread.turns.map((_turn, index) => this.#turn(thread, index)) };
  }

  memory(thread: ScriptedThread): MemoryView {
    const turns = thread.turns.map(({ text, run }) => {
      const answer = run.summary.output ?? "";
      return { kind: "turn" as const, text: `${text}\n${answer}`, edit: { user: text, answer } };
    });
    const items = [
      {
        kind: "dropped" as const,
        text: "Hello, is anybody there?\nYes.",
        edit: { user: "Hello, is anybody there?", answer: "Yes." },
        why: "older than the summary",
      },
      {
        kind: "summary" as const,
        text: "The customer ordered a lamp in May and has asked twice where it is.",
        edit: { summary: "The customer ordered a lamp in May and has asked twice where it is." },
      },
      ...turns,
      {
        kind: "pending" as const,
        text: "A note that the next summary will take in.\nNoted.",
        edit: { user: "A note that the next summary will take in.", answer: "Noted." },
      },
    ];
    return {
      isKept: true,
      budgetTokens: 800,
      items: items.flatMap((item, at) => {
        const edit = this.#memory.has(at) ? this.#memory.get(at) : item.edit;
        if (edit === undefined) return [];
        const text = edit === item.edit ? item.text : Object.values(edit).join("\n");
        return [{ ...item, at, edit, text, tokens: Math.ceil(text.length / 4) }];
      }),
      resources: ["shop", "mailer"],
    };
  }

  /** Replaces an item of the memory; without an edit, forgets it. */
  changeMemory(at: number, edit: MemoryEdit | undefined): void {
    this.#memory.set(at, edit);
  }

  /** Sends an item to every page. */
  tell(item: FeedItem): void {
    this.feed.send(item);
  }

  /** Makes the project's newest code fail to load. */
  breakCode(overlay: Overlay): void {
    this.overlay = overlay;
    this.tell({ type: "overlay", seq: this.#next(), overlay });
  }

  /** Makes it load again. */
  repairCode(): void {
    this.overlay = undefined;
    this.tell({ type: "overlay", seq: this.#next() });
    this.save();
  }

  /** Loads new code: the open questions of the old one end with it. */
  save(): void {
    const asking = [...this.runs.values()].filter((run) => run.pauses.length > 0);
    for (const run of asking) run.end("stopped");
    this.#reload = {
      at: this.now(),
      ms: 231,
      files: ["src/tools.ts"],
      generation: 3,
      draining: asking.length,
      lostQuestions: asking.length,
    };
    this.tell({ type: "reload", seq: this.#next(), reload: this.#reload });
  }

  /** Cuts all streams, as a network does. */
  cutStreams(): void {
    this.feed.cut();
    for (const readers of this.#runReaders.values()) readers.cut();
    for (const thread of this.threads.values()) thread.readers.cut();
  }

  /** Ends all runs and streams. */
  close(): void {
    clearInterval(this.#timer);
    for (const run of this.runs.values()) run.cancel();
    this.cutStreams();
  }

  readonly #wait: Wait = async (ms, run) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, ms * this.#pace);
    await promise;
    run.passedMs += ms;
    run.stop.signal.throwIfAborted();
  };

  #changed(run: ScriptedRun, item: RunStreamItem): void {
    this.#runReaders.get(run.summary.id)?.send(item);
    if (item.type === "run" || item.type === "end") this.tell({ type: "run", seq: this.#next(), run: item.run });
    if (item.type === "pauses") this.tell({ type: "pause", seq: this.#next(), open: this.pauses().length });
    for (const thread of this.threads.values()) {
      const turn = thread.turns.findIndex((one) => one.run === run);
      if (turn === -1) continue;
      if (item.type === "part") thread.readers.send({ ...item, ...{ turn } });
      else if (item.type === "delta") thread.readers.send({ ...item, ...{ turn } });
      else if (item.type === "run" || item.type === "end") this.#tellTurn(thread, turn);
    }
    if (item.type === "end") this.tell({ type: "pause", seq: this.#next(), open: this.pauses().length });
  }

  #tellTurn(thread: ScriptedThread, index: number): void {
    const item: ThreadItem = { type: "turn", turn: this.#turn(thread, index) };
    thread.readers.send(item);
  }

  #turn(thread: ScriptedThread, index: number): TurnView {
    const turn = thread.turns[index];
    if (turn === undefined) throw new RangeError(`The thread has no turn ${index}`);
    return { turn: index, at: turn.at, text: turn.text, run: { ...turn.run.summary }, parts: [...turn.run.parts] };
  }

  #entry(flow: string): EntryView {
    const waiting = this.#held.get(flow);
    return { isHeld: waiting !== undefined, waiting: waiting?.length ?? 0 };
  }

  #tellEntry(flow: string): void {
    this.tell({ type: "entry", seq: this.#next(), flow, ...this.#entry(flow) });
  }

  #next(): number {
    return (this.#seq += 1);
  }

  #newId(kind: string): string {
    this.#ids += 1;
    return `${kind}-${(0x5f9a9621 + this.#ids * 0x1f3d).toString(16)}`;
  }
}
