import { computed, signal, type ReadonlySignal } from "@preact/signals";
import { api } from "../api/routes.ts";
import { ApiFailure } from "../api/api-failure.ts";
import { openFeed, type FeedState } from "../api/event-feed.ts";
import type { FeedItem, FlowSummary, Frame, Overlay, ProjectView, Reload, RunSummary } from "../protocol.ts";

/** The project as the server last described it; `undefined` until it has. */
export const project = signal<ProjectView | undefined>(undefined);
/** State of the connection to the server. */
export const connection = signal<FeedState>("connecting");
export const overlay = signal<Overlay | undefined>(undefined);
export const reload = signal<Reload | undefined>(undefined);
/** Number of open pauses of all flows. */
export const openPauses = signal(0);

export const flows: ReadonlySignal<readonly FlowSummary[]> = computed(() => project.value?.flows ?? []);
export const findings: ReadonlySignal<number> = computed(() =>
  flows.value.reduce((sum, flow) => sum + flow.findingCount, 0),
);
/** Whether the pages may change anything. */
export const isReadOnly: ReadonlySignal<boolean> = computed(() => project.value?.isReadOnly ?? false);

const frameListeners = new Set<(frame: Frame) => void>();
const runListeners = new Set<(run: RunSummary) => void>();
const threadListeners = new Set<(thread: string) => void>();
const gapListeners = new Set<() => void>();

/** Calls a listener with each frame, ten times a second at most. @returns a function that ends it */
export const onFrame = (listener: (frame: Frame) => void): (() => void) => listening(frameListeners, listener);

/** Calls a listener with each run that begins, changes or ends. @returns a function that ends it */
export const onRun = (listener: (run: RunSummary) => void): (() => void) => listening(runListeners, listener);

/** Calls a listener with the id of each thread that changes. @returns a function that ends it */
export const onThread = (listener: (thread: string) => void): (() => void) => listening(threadListeners, listener);

/** Calls a listener after changes were missed, so that it reads anew. @returns a function that ends it */
export const onGap = (listener: () => void): (() => void) => listening(gapListeners, listener);

function listening<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Reads the project, and follows its changes. */
export async function connect(): Promise<void> {
  await readProject();
  openFeed<FeedItem>({
    url: "/api/events",
    types: ["hello", "frame", "reload", "overlay", "pause", "log", "run", "thread", "entry"],
    onItem: take,
    onState: (state) => {
      connection.value = state;
    },
    onGap: readAgain,
    probe: probeServer,
  });
}

/** Asks whether the server is there and knows this session. */
export async function probeServer(): Promise<"ok" | "refused" | "unreachable"> {
  try {
    project.value = await api.project();
    return "ok";
  } catch (error) {
    return error instanceof ApiFailure && error.status === 401 ? "refused" : "unreachable";
  }
}

function readAgain(): void {
  void readProject();
  for (const listener of gapListeners) listener();
}

/** Number of changes that the feed has told: an answer that was asked for before one of them may be older. */
let told = 0;

async function readProject(): Promise<void> {
  const before = told;
  const view = await api.project();
  project.value = view;
  if (told !== before) return;
  overlay.value = view.overlay;
  reload.value = view.reload;
  openPauses.value = view.flows.reduce((sum, flow) => sum + flow.openPauses, 0);
}

function take(item: FeedItem): void {
  if (item.type === "reload" || item.type === "overlay" || item.type === "pause") told += 1;
  switch (item.type) {
    case "hello":
      if (item.isGap) readAgain();
      return;
    case "thread":
      for (const listener of threadListeners) listener(item.thread);
      return;
    case "frame":
      for (const listener of frameListeners) listener(item);
      return;
    case "run":
      for (const listener of runListeners) listener(item.run);
      return;
    case "reload":
      reload.value = item.reload;
      void readProject();
      return;
    case "entry":
      if (project.value !== undefined) project.value = { ...project.value, flows: flows.value.map(entryOf(item)) };
      return;
    case "overlay":
      overlay.value = item.overlay;
      return;
    case "pause":
      openPauses.value = item.open;
      return;
    case "log":
      // lines of a step are read with the step
      return;
  }
}

/** Returns a function that gives the flow of an entry the number of messages that wait there. */
function entryOf({ flow, isHeld, waiting }: Extract<FeedItem, { readonly type: "entry" }>) {
  return (one: FlowSummary): FlowSummary => (one.name === flow ? { ...one, held: isHeld ? waiting : undefined } : one);
}
