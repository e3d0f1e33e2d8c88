import type { Caller } from "@penguiflow/planner";
import { type LogKey, MemoryLog } from "penguiflow";
import type { MemoryView } from "@penguiflow/playground/protocol";
import type { AnyPlanner } from "../../project/find-flows.ts";

/** Items of a thread that are looked at. */
const MAX_ITEMS = 500;
/** Characters of a token, roughly. */
const CHARACTERS_PER_TOKEN = 4;

type Thread = Pick<Caller, "tenant" | "thread">;

/** An item of a thread's log: a turn, or a summary of those before a position. */
type Item =
  | { readonly user: string; readonly answer: string; readonly tools?: readonly string[] }
  | { readonly summary: string; readonly before: number };

/** Gives a planner that remembers in its process what an earlier process has remembered of a thread. */
export async function recall({ memory }: AnyPlanner, thread: Thread, items: readonly unknown[]): Promise<void> {
  if (!(memory?.store instanceof MemoryLog) || items.length === 0) return;
  const key = await keyOf(thread);
  const { length } = await memory.store.read(key, { limit: 1 });
  if (length === 0) await memory.store.append(key, 0, items);
}

/** Returns what a planner remembers of a thread in its process; nothing if it remembers elsewhere. */
export async function rememberedOf({ memory }: AnyPlanner, thread: Thread): Promise<readonly unknown[] | undefined> {
  return memory?.store instanceof MemoryLog
    ? (await memory.store.read(await keyOf(thread), { limit: MAX_ITEMS })).items
    : undefined;
}

/** Shows what the next model call of a thread will see. */
export async function memoryOf(
  { memory }: AnyPlanner,
  thread: Thread,
  resources: readonly string[],
): Promise<MemoryView> {
  if (memory === undefined) return { items: [], context: [], resources, isKept: false };
  const { store, turns: shown = 5, summary, maxTokens } = memory;
  const key = await keyOf(thread);
  const { length } = await store.read(key, { limit: 1 });
  const page = await store.read(key, { from: Math.max(0, length - MAX_ITEMS), limit: MAX_ITEMS });
  const placed = (page.items as readonly Item[]).map((item, index) => ({ at: page.at + index, item }));
  const last = placed.findLast(({ item }) => "summary" in item)?.item as
    | Extract<Item, { readonly summary: string }>
    | undefined;
  const turns = placed.flatMap(({ at, item }) => ("user" in item && at >= (last?.before ?? 0) ? [item] : []));
  const over = Math.max(shown, summary?.over ?? 0);
  const whole = summary === undefined || turns.length > over ? turns.slice(-shown) : turns;
  const old = turns.slice(0, turns.length - whole.length);
  let left = (maxTokens ?? Number.POSITIVE_INFINITY) - tokensOf(last?.summary ?? "");
  const fitting = whole
    .toReversed()
    .map((turn) => ({ turn, fits: (left -= tokensOf(JSON.stringify(turn))) >= 0 }))
    .toReversed();
  return {
    items: [
      ...(last === undefined ? [] : [itemOf("summary", last.summary)]),
      ...old.map((turn) =>
        summary === undefined
          ? itemOf("dropped", textOf(turn), `older than the last ${shown} turns, and there is no summary`)
          : itemOf("pending", textOf(turn), "goes into the summary with the next run"),
      ),
      ...fitting.map(({ turn, fits }) =>
        fits ? itemOf("turn", textOf(turn)) : itemOf("dropped", textOf(turn), `memory has ${maxTokens} tokens`),
      ),
    ],
    context: [],
    resources,
    isKept: true,
    ...(maxTokens !== undefined && { budgetTokens: maxTokens }),
  };
}

function itemOf(kind: MemoryView["items"][number]["kind"], text: string, why?: string): MemoryView["items"][number] {
  return { kind, text, tokens: tokensOf(text), ...(why !== undefined && { why }) };
}

function textOf({ user, answer, tools = [] }: Extract<Item, { readonly user: string }>): string {
  return `${user}\n${tools.length === 0 ? "" : `(${tools.join(", ")})\n`}${answer}`;
}

const tokensOf = (text: string): number => Math.ceil(text.length / CHARACTERS_PER_TOKEN);

async function keyOf(thread: Thread): Promise<LogKey> {
  // loaded for planners alone: a project without one need not have the package
  const { threadKey } = await import("@penguiflow/planner");
  // a thread that is named has a key
  return threadKey({ ...thread, runId: "" }) as LogKey;
}
