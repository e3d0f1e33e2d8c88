import type {
  CancelReport,
  CompareView,
  Draft,
  EntryChange,
  EntryView,
  FlowView,
  LintView,
  MemoryEdit,
  MemoryView,
  ModelCallView,
  NewRun,
  NewTest,
  NewThread,
  NewThreadMessage,
  Page,
  PauseView,
  ProjectView,
  RunAgain,
  RunEvent,
  RunStarted,
  RunSummary,
  RunView,
  SimulationFiles,
  Steered,
  StepMessages,
  TestMade,
  ToolCall,
  ThreadSummary,
  ThreadView,
  ToolsView,
} from "../protocol.ts";
import { get, part, send } from "./request.ts";

/** Filters of a list of runs; empty ones are left out. */
export type RunFilter = Readonly<
  Partial<Record<"flow" | "state" | "node" | "code" | "tenant" | "thread" | "q" | "from" | "to" | "cursor", string>>
>;

const ofRun = (flow: string, id: string): string => `runs/${part(flow)}/${part(id)}`;

/** Each route of the server as a function. They reject with an `ApiFailure`. */
export const api = {
  project: () => get<ProjectView>("project"),
  flow: (flow: string) => get<FlowView>(`flows/${part(flow)}`),
  changeEntry: (flow: string, change: EntryChange) => send<EntryView>("POST", `flows/${part(flow)}/entry`, change),
  startRun: (flow: string, run: NewRun) => send<RunStarted>("POST", `flows/${part(flow)}/runs`, run),

  runs: (filter: RunFilter, signal?: AbortSignal) => get<Page<RunSummary>>("runs", filter, signal),
  run: (flow: string, id: string) => get<RunView>(ofRun(flow, id)),
  runEvents: (flow: string, id: string, cursor?: string) =>
    get<Page<RunEvent>>(`${ofRun(flow, id)}/events`, { cursor }),
  stepMessages: (flow: string, id: string, step: string) => get<StepMessages>(`${ofRun(flow, id)}/messages`, { step }),
  modelCalls: (flow: string, id: string, step?: string) =>
    get<readonly ModelCallView[]>(`${ofRun(flow, id)}/model`, { step }),
  cancelRun: (flow: string, id: string) => send<CancelReport>("POST", `${ofRun(flow, id)}/cancel`, {}),
  steerRun: (flow: string, id: string, text: string) => send<Steered>("POST", `${ofRun(flow, id)}/steer`, { text }),
  runAgain: (flow: string, id: string, again: RunAgain) => send<RunStarted>("POST", `${ofRun(flow, id)}/again`, again),
  makeTest: (flow: string, id: string, test: NewTest) => send<TestMade>("POST", `${ofRun(flow, id)}/test`, test),
  deleteRun: (flow: string, id: string) => send<undefined>("DELETE", ofRun(flow, id)),

  pauses: (filter: Readonly<Partial<Record<"flow" | "thread" | "run", string>>> = {}) =>
    get<Page<PauseView>>("pauses", filter),
  answerPause: (id: string, value: unknown) => send<unknown>("POST", `pauses/${part(id)}`, { value }),

  threads: (filter: { readonly flow?: string; readonly q?: string; readonly cursor?: string | undefined } = {}) =>
    get<Page<ThreadSummary>>("threads", filter),
  sendMessage: (id: string, message: NewThreadMessage) =>
    send<RunStarted>("POST", `threads/${part(id)}/messages`, message),
  thread: (id: string) => get<ThreadView>(`threads/${part(id)}`),
  newThread: (thread: NewThread) => send<ThreadSummary>("POST", "threads", thread),
  deleteThread: (id: string) => send<undefined>("DELETE", `threads/${part(id)}`),
  editMemory: (id: string, at: number, edit: MemoryEdit) =>
    send<undefined>("PUT", `threads/${part(id)}/memory/${at}`, edit),
  forget: (id: string, at: number) => send<undefined>("DELETE", `threads/${part(id)}/memory/${at}`),
  memory: (id: string) => get<MemoryView>(`threads/${part(id)}/memory`),

  draft: (key: string) => get<Draft>(`drafts/${part(key)}`),
  keepDraft: (key: string, value: unknown) => send<undefined>("PUT", `drafts/${part(key)}`, { value }),

  tools: () => get<ToolsView>("tools"),
  reconnect: (source: string, flow: string) => send<undefined>("POST", `sources/${part(source)}/reconnect`, { flow }),
  callTool: (name: string, call: ToolCall) => send<RunStarted>("POST", `tools/${part(name)}/call`, call),
  lint: () => get<readonly LintView[]>("lint"),
  simulations: () => get<SimulationFiles>("simulate"),
  compare: (a: string, b: string) => get<CompareView>("compare", { a, b }),
  openFile: (file: string, line?: number) => send<undefined>("POST", "open", { file, line }),
} as const;
