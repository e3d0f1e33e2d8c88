import type { TurnPart } from "../plan/log-item.ts";
import { firstJson } from "./first-json.ts";
import { UNUSABLE } from "./json-prompt.ts";

/** The parts of a turn, and why they are none of use, in words for the model. */
export interface ReadParts {
  readonly parts: readonly TurnPart[];
  readonly problem?: string | undefined;
}

/** Reads the parts of a turn from a JSON action: those of a model that has called its tools natively. */
export function readJsonTurn(said: readonly TurnPart[], step: number): ReadParts {
  if (said.some((part) => part.type === "call")) return { parts: said };
  const spoken = said.filter((part) => part.type === "text");
  const text = spoken.map((part) => part.text).join("");
  // a signature goes back with the part that was read of its text
  const metadata = spoken.find((part) => part.metadata !== undefined)?.metadata;
  const others = said.filter((part) => part.type !== "text");
  const action = readAction(text);
  if ("problem" in action) {
    const raw: TurnPart = { type: "text", text, metadata: { ...metadata, ...UNUSABLE } };
    return { parts: text === "" ? others : [...others, raw], problem: `${REFUSED} ${action.problem}. ${SHAPE}` };
  }
  if ("answer" in action)
    return { parts: [...others, { type: "text", text: action.answer, ...(metadata && { metadata }) }] };
  const calls = action.calls.map(({ tool, args }, index): TurnPart => {
    const callId = `${step}.${index}`;
    const first = index === 0 && metadata;
    return { type: "call", callId, providerId: callId, tool, input: JSON.stringify(args), ...(first && { metadata }) };
  });
  return { parts: [...others, ...calls] };
}

const REFUSED = "Your last answer cannot be used:";
const SHAPE = 'Answer with one JSON object, either {"calls":[{"tool":"…","args":{…}}]} or {"answer":…}';

interface ActionCall {
  readonly tool: string;
  readonly args: object;
}

type Action = { readonly calls: readonly ActionCall[] } | { readonly answer: string } | { readonly problem: string };

function readAction(text: string): Action {
  const json = firstJson(text, "object");
  if (!json.found) return json;
  const { calls, answer } = json.value as { readonly calls?: unknown; readonly answer?: unknown };
  if (calls !== undefined && !(Array.isArray(calls) && calls.length === 0 && answer !== undefined)) {
    return readCalls(calls);
  }
  if (typeof answer === "string") return answer.trim() === "" ? { problem: 'its "answer" is empty' } : { answer };
  if (answer === undefined || answer === null) return { problem: 'it has neither "calls" nor "answer"' };
  return { answer: JSON.stringify(answer) };
}

function readCalls(calls: unknown): Action {
  if (!Array.isArray(calls) || calls.length === 0) {
    return { problem: 'its "calls" must be a list of at least one call' };
  }
  const read: ActionCall[] = [];
  for (const [index, call] of (calls as readonly unknown[]).entries()) {
    const { tool, args = {} } = (call ?? {}) as { readonly tool?: unknown; readonly args?: unknown };
    if (typeof tool !== "string") return { problem: `"calls[${index}].tool" must be the name of a tool` };
    if (typeof args !== "object" || args === null || Array.isArray(args)) {
      return { problem: `"calls[${index}].args" must be an object` };
    }
    read.push({ tool, args });
  }
  return { calls: read };
}
