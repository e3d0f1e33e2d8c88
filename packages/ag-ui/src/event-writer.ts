import { type AGUIEvent, type AssistantMessage, EventType, type Message, type Metadata } from "@ag-ui/core";
import { deltaOf } from "./state-delta.ts";

/** Way in which the remaining subagents end with their run. */
export type Closing =
  | { readonly as: "finished" }
  | { readonly as: "suspended"; readonly interruptIds: readonly string[] }
  | { readonly as: "failed"; readonly message: string };

type Events = Generator<AGUIEvent, void, undefined>;

/** Something that has begun and must end before the run does. */
interface Opened {
  readonly id: string;
  /** Id of the subagent it belongs to. */
  readonly owner: string | undefined;
  readonly close: (closing: Closing) => AGUIEvent[];
}

/** Place of an event: the subagent it belongs to, and what a client may want to know. */
export interface Attribution {
  readonly owner?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/**
 * Writes the events of one run so that each opening event has its closing one. What is open is a stack: whatever ends,
 * what was opened inside it ends first. Keeps the messages that a client makes of the events.
 */
export class EventWriter {
  readonly messages: Message[] = [];
  /** Latest ids of subagents, by the names on the way down to them. */
  readonly subagents = new Map<string, string>();
  /** Whether a message was taken back: clients keep it until they get a snapshot. */
  hasRetracted = false;
  readonly #runId: string;
  #ids = 0;
  /** State that the client has been told, if any. */
  #state: unknown;
  #hasState = false;
  readonly #opened: Opened[] = [];
  readonly #parents = new Map<string, string | undefined>();

  /** Creates a writer for the run of an id. */
  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Returns an id that no other message of the thread has. */
  newMessageId(): string {
    this.#ids += 1;
    return `${this.#runId}/${this.#ids}`;
  }

  isOpen(id: string): boolean {
    return this.#opened.some((one) => one.id === id);
  }

  *startMessage(type: "text" | "reasoning", id: string, place: Attribution = {}): Events {
    const { owner } = place;
    const event = { messageId: id, ...attributed(place) };
    if (type === "text") {
      yield { type: EventType.TEXT_MESSAGE_START, role: "assistant", ...event };
      this.#open(id, owner, () => [{ type: EventType.TEXT_MESSAGE_END, messageId: id, ...attributed({ owner }) }]);
      this.messages.push({ id, role: "assistant", content: "", ...attributed(place) });
    } else {
      yield { type: EventType.REASONING_START, messageId: id, ...attributed({ owner }) };
      yield { type: EventType.REASONING_MESSAGE_START, role: "reasoning", ...event };
      this.#open(id, owner, () => [
        { type: EventType.REASONING_MESSAGE_END, messageId: id, ...attributed({ owner }) },
        { type: EventType.REASONING_END, messageId: id, ...attributed({ owner }) },
      ]);
      this.messages.push({ id, role: "reasoning", content: "", ...attributed(place) });
    }
  }

  /** Adds text to an open message. A piece without text gives nothing: 1.0 does not allow it. */
  *write(id: string, delta: string): Events {
    const message = this.messages.findLast((one) => one.id === id);
    if (delta === "" || message === undefined) return;
    const owner = "subagentRunId" in message ? message.subagentRunId : undefined;
    const isText = message.role === "assistant";
    yield {
      type: isText ? EventType.TEXT_MESSAGE_CONTENT : EventType.REASONING_MESSAGE_CONTENT,
      messageId: id,
      delta,
      ...attributed({ owner }),
    };
    message.content = `${message.content as string}${delta}`;
  }

  /** Tells that a message does not count: what is said instead has another id. */
  *retract(id: string): Events {
    const index = this.messages.findIndex((one) => one.id === id);
    if (index === -1) return;
    this.messages.splice(index, 1);
    this.hasRetracted = true;
    yield this.custom("penguiflow.retracted", { messageId: id });
  }

  *startStep(name: string, owner?: string): Events {
    yield { type: EventType.STEP_STARTED, stepName: name, ...attributed({ owner }) };
    this.#open(stepId(name, owner), owner, () => [
      { type: EventType.STEP_FINISHED, stepName: name, ...attributed({ owner }) },
    ]);
  }

  *endStep(name: string, owner?: string): Events {
    yield* this.end(stepId(name, owner));
  }

  /** Writes a whole call of a tool into the assistant message `messageId`, which it makes if there is none. */
  *toolCall(id: string, name: string, args: string, messageId: string, owner?: string): Events {
    const place = attributed({ owner });
    yield { type: EventType.TOOL_CALL_START, toolCallId: id, toolCallName: name, parentMessageId: messageId, ...place };
    if (args !== "") yield { type: EventType.TOOL_CALL_ARGS, toolCallId: id, delta: args, ...place };
    yield { type: EventType.TOOL_CALL_END, toolCallId: id, ...place };
    let message = this.messages.find((one): one is AssistantMessage => one.id === messageId);
    if (message === undefined) {
      message = { id: messageId, role: "assistant", ...place };
      this.messages.push(message);
    }
    message.toolCalls = [...(message.toolCalls ?? []), { id, type: "function", function: { name, arguments: args } }];
  }

  *toolResult(toolCallId: string, content: string, place: Attribution = {}): Events {
    const messageId = `${toolCallId}/result`;
    const rest = attributed(place);
    yield { type: EventType.TOOL_CALL_RESULT, messageId, toolCallId, content, role: "tool", ...rest };
    this.messages.push({ id: messageId, role: "tool", toolCallId, content, ...rest });
  }

  *startSubagent(id: string, name: string, parent?: string): Events {
    yield {
      type: EventType.SUBAGENT_STARTED,
      subagentRunId: id,
      name,
      ...(parent !== undefined && { parentSubagentRunId: parent }),
    };
    this.#parents.set(id, parent);
    this.#open(id, parent, (closing) => [subagentEnd(id, closing)]);
  }

  /** Ends a subagent, which has failed if there is a code, after what was opened inside it. */
  *endSubagent(id: string, code?: string): Events {
    yield* this.end(id, code === undefined ? undefined : { as: "failed", message: `It has failed with ${code}` });
  }

  /** Ends a step and nothing else: what other nodes have opened meanwhile goes on. */
  *endStepAlone(name: string, owner?: string): Events {
    const step = this.#opened.find(({ id }) => id === stepId(name, owner));
    if (step !== undefined) yield* this.#close(step);
  }

  /**
   * Tells the client a state, which must be JSON: the whole at first, then what has changed. A client that skips a delta
   * which does not fit has none to skip, as each run begins with the whole.
   */
  *state(state: unknown): Events {
    if (!this.#hasState) yield { type: EventType.STATE_SNAPSHOT, snapshot: state };
    else {
      const delta = deltaOf(this.#state, state);
      if (delta.length > 0) yield { type: EventType.STATE_DELTA, delta };
    }
    this.#hasState = true;
    this.#state = state;
  }

  custom(name: string, value: unknown): AGUIEvent {
    return { type: EventType.CUSTOM, name, value };
  }

  /** Ends something that is open, after what was opened inside it; nothing if it is not open. */
  *end(id: string, closing?: Closing): Events {
    const index = this.#opened.findIndex((one) => one.id === id);
    const ending = this.#opened[index];
    if (ending === undefined) return;
    const inside = this.#opened.slice(index + 1).filter((one) => this.#isInside(one, ending));
    for (const one of inside.toReversed()) yield* this.#close(one, closing);
    yield* this.#close(ending, closing);
  }

  /** Ends all that is open, in reverse order. */
  *endAll(closing: Closing): Events {
    for (const one of this.#opened.toReversed()) yield* this.#close(one, closing);
  }

  #open(id: string, owner: string | undefined, close: Opened["close"]): void {
    this.#opened.push({ id, owner, close });
  }

  *#close(one: Opened, closing: Closing = { as: "finished" }): Events {
    this.#opened.splice(this.#opened.indexOf(one), 1);
    yield* one.close(closing);
  }

  /** Whether something ends with a subagent or step that was opened before it. Subagents outlast steps. */
  #isInside(one: Opened, outer: Opened): boolean {
    if (outer.id.startsWith(STEP)) return one.owner === outer.owner && !this.#parents.has(one.id);
    if (!this.#parents.has(outer.id)) return false;
    for (let at = one.owner; at !== undefined; at = this.#parents.get(at)) if (at === outer.id) return true;
    return false;
  }
}

const STEP = "step\0";

function stepId(name: string, owner: string | undefined): string {
  return `${STEP}${owner ?? ""}\0${name}`;
}

function attributed({ owner, metadata }: Attribution): { subagentRunId?: string; metadata?: Metadata } {
  return { ...(owner !== undefined && { subagentRunId: owner }), ...(metadata !== undefined && { metadata }) };
}

function subagentEnd(subagentRunId: string, closing: Closing): AGUIEvent {
  switch (closing.as) {
    case "finished":
      return { type: EventType.SUBAGENT_FINISHED, subagentRunId };
    case "suspended":
      return {
        type: EventType.SUBAGENT_FINISHED,
        subagentRunId,
        outcome: { type: "suspended", interruptIds: [...closing.interruptIds] },
      };
    case "failed":
      return { type: EventType.SUBAGENT_ERROR, subagentRunId, message: closing.message };
  }
}
