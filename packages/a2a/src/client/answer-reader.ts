import { type Message, type Part, type StreamResponse, type Task, TaskState, type TaskStatus } from "@a2a-js/sdk";
import {
  type Budget,
  FlowError,
  FlowErrorCode,
  type RemoteCallHooks,
  type RemoteChunk,
  type RemoteStreamEvent,
} from "penguiflow";
import { chunksOf, factsIn, RESULT_ARTIFACT, textOf, valueOf } from "../wire.ts";

const FAILURES: ReadonlyMap<TaskState, string> = new Map([
  [TaskState.TASK_STATE_FAILED, "failed"],
  [TaskState.TASK_STATE_CANCELED, "was cancelled"],
  [TaskState.TASK_STATE_REJECTED, "was rejected"],
]);

/**
 * Translates A2A events of a task into events of the port: the texts of artifacts with their offset in the whole text,
 * and at the end the result or the failure.
 *
 * States: reading → done.
 */
export class AnswerReader {
  readonly #agentUrl: string;
  readonly #hooks: RemoteCallHooks;
  /** Whether the agent is a flow, which keeps text and result apart. */
  readonly #isFlow: boolean;
  /** Parts by artifact, in the order of their first piece. */
  readonly #artifacts = new Map<string, Part[]>();
  #ids: { readonly taskId?: string; readonly contextId?: string } = {};
  #length = 0;
  /** Number of chunks with data. */
  #chunks = 0;
  /** Whether the agent has replaced a text, after which offsets are meaningless. */
  #isRewritten = false;
  #isDone = false;

  constructor(agentUrl: string, isFlow: boolean, hooks: RemoteCallHooks) {
    this.#agentUrl = agentUrl;
    this.#isFlow = isFlow;
    this.#hooks = hooks;
  }

  /** Whether the last event was delivered. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Whether the task of the answer is known. */
  get isBound(): boolean {
    return this.#ids.taskId !== undefined;
  }

  /** @throws FlowError `REMOTE_FAILED` when the task has failed */
  *take({ payload }: StreamResponse): Generator<RemoteStreamEvent, void, undefined> {
    if (payload === undefined || this.#isDone) return;
    if (payload.$case === "message") {
      this.#isDone = true;
      const { parts, contextId, metadata } = payload.value;
      yield { done: true, result: valueOf(parts), ...spentIn(metadata), ...(contextId === "" ? {} : { contextId }) };
    } else if (payload.$case === "task") {
      yield* this.#task(payload.value);
    } else if (payload.$case === "artifactUpdate") {
      const { taskId, contextId, artifact, append } = payload.value;
      this.#learn(taskId, contextId);
      if (artifact !== undefined) yield* this.#piece(artifact.artifactId, artifact.parts, append);
    } else {
      const { taskId, contextId, status, metadata } = payload.value;
      this.#learn(taskId, contextId);
      yield* this.#status(status, metadata);
    }
  }

  *#task({ id, contextId, artifacts, status, metadata }: Task): Generator<RemoteStreamEvent, void, undefined> {
    this.#learn(id, contextId);
    for (const { artifactId, parts } of artifacts) {
      const earlier = this.#artifacts.get(artifactId) ?? [];
      const before = textOf(earlier);
      const text = textOf(parts);
      this.#artifacts.set(artifactId, [...parts]);
      // a task that is fetched again contains the earlier text, and more
      if (this.#isText(artifactId) && text.startsWith(before) && text.length > before.length)
        yield this.#text(text.slice(before.length));
      for (const chunk of this.#dataIn(artifactId, parts).slice(chunksOf(earlier).length)) yield this.#chunk(chunk);
    }
    yield* this.#status(status, metadata);
  }

  *#piece(artifactId: string, parts: readonly Part[], append: boolean): Generator<RemoteStreamEvent, void, undefined> {
    const known = this.#artifacts.get(artifactId) ?? [];
    const text = textOf(parts);
    if (!append && known.length > 0 && (textOf(known) !== "" || chunksOf(known).length > 0)) this.#isRewritten = true;
    if (append) known.push(...parts);
    this.#artifacts.set(artifactId, append ? known : [...parts]);
    if (this.#isText(artifactId) && text !== "") yield this.#text(text);
    for (const chunk of this.#dataIn(artifactId, parts)) yield this.#chunk(chunk);
  }

  /** Extracts the chunks with data that a flow has sent. */
  #dataIn(artifactId: string, parts: readonly Part[]): RemoteChunk[] {
    return this.#isFlow && this.#isText(artifactId) ? chunksOf(parts) : [];
  }

  #isText(artifactId: string): boolean {
    return !(this.#isFlow && artifactId === RESULT_ARTIFACT);
  }

  #text(text: string): RemoteStreamEvent {
    const at = this.#length;
    this.#length += text.length;
    return { ...this.#ids, text, ...(this.#isRewritten ? {} : { at }), done: false };
  }

  #chunk(chunk: RemoteChunk): RemoteStreamEvent {
    const chunkAt = this.#chunks;
    this.#chunks += 1;
    return { ...this.#ids, chunk, ...(this.#isRewritten ? {} : { chunkAt }), done: false };
  }

  *#status(status: TaskStatus | undefined, metadata: Task["metadata"]): Generator<RemoteStreamEvent, void, undefined> {
    if (status === undefined) return;
    const { state, message } = status;
    const parts = message?.parts ?? [];
    if (state === TaskState.TASK_STATE_COMPLETED) {
      this.#isDone = true;
      yield { ...this.#ids, done: true, result: this.#result(parts), state: "completed", ...spentIn(metadata) };
    } else if (state === TaskState.TASK_STATE_INPUT_REQUIRED || state === TaskState.TASK_STATE_AUTH_REQUIRED) {
      this.#isDone = true;
      const waits = state === TaskState.TASK_STATE_INPUT_REQUIRED ? "input-required" : "auth-required";
      yield { ...this.#ids, done: true, result: this.#prompt(message), state: waits };
    } else if (FAILURES.has(state)) {
      this.#isDone = true;
      const { code, retryable } = factsIn(metadata);
      const why = textOf(parts);
      throw new FlowError({
        code: FlowErrorCode.REMOTE_FAILED,
        message: `A task of agent "${this.#agentUrl}" ${FAILURES.get(state)}${why === "" ? "" : `: ${why}`}`,
        details: { state: TaskState[state], ...(typeof code === "string" ? { code } : {}), ...this.#ids },
        retryable: retryable === true,
      });
    } else if (textOf(parts) !== "") {
      // a status message reports progress
      yield { ...this.#ids, text: textOf(parts), done: false };
    }
  }

  #result(said: readonly Part[]): unknown {
    if (this.#isFlow) return valueOf(this.#artifacts.get(RESULT_ARTIFACT) ?? []);
    const all = [...this.#artifacts.values()];
    const data = all.findLast((parts) => parts.some(({ content }) => content?.$case === "data"));
    return valueOf(data ?? all.at(-1) ?? said);
  }

  /** Builds the prompt of an agent's question: its text, its data, or both. */
  #prompt(message: Message | undefined): unknown {
    const { reason, payload } = factsIn(message?.metadata);
    if (this.#isFlow && typeof reason === "string") return { reason, payload };
    const text = textOf(message?.parts ?? []);
    const value = valueOf(message?.parts ?? []);
    return text === "" || value === text ? value : { reason: text, payload: value };
  }

  #learn(taskId: string, contextId: string): void {
    if (this.#ids.taskId !== undefined || taskId === "") return;
    this.#ids = { taskId, ...(contextId === "" ? {} : { contextId }) };
    this.#hooks.onTask?.({ taskId, ...(contextId === "" ? {} : { contextId }) });
  }
}

/** Returns the amounts that an agent says its task has spent; the caller checks them. */
function spentIn(metadata: Task["metadata"]): Pick<RemoteStreamEvent, "spent"> {
  const { spent } = factsIn(metadata);
  return spent === undefined ? {} : { spent: spent as Budget };
}
