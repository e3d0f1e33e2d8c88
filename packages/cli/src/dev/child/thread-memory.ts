import type { Caller } from "@penguiflow/planner";
import { type FlowError, FlowErrorCode, type LogKey, MemoryLog } from "penguiflow";
import type { MemoryEdit, MemoryView } from "@penguiflow/playground/protocol";
import type { AnyPlanner } from "../../project/find-flows.ts";
import { PERSON } from "./person.ts";
import { Refusal } from "./refusal.ts";

/** Items of a thread that are looked at. */
const MAX_ITEMS = 500;
/** Characters of a token, roughly. */
const CHARACTERS_PER_TOKEN = 4;

type Thread = Pick<Caller, "tenant" | "thread">;

/** An item of a thread's log: a turn, or a summary of those before a position. */
type Item =
  | { readonly user: string; readonly answer: string; readonly tools?: readonly string[] }
  | { readonly summary: string; readonly before: number };

type View = MemoryView["items"][number];

/** An item at its position in the log. */
interface Placed {
  readonly at: number;
  readonly item: Item;
}

/** Gives a planner that remembers in its process what an earlier process has remembered of a thread. */
export async function recall({ memory }: AnyPlanner, thread: Thread, items: readonly unknown[]): Promise<void> {
  if (!(memory?.store instanceof MemoryLog) || items.length === 0) return;
  const key = await keyOf(thread);
  const { length } = await memory.store.read(key, { limit: 1 });
  if (length === 0) await memory.store.append(key, 0, items);
}

/** Returns what a planner remembers of a thread in its process; nothing if it remembers elsewhere. */
export async function rememberedOf({ memory }: AnyPlanner, thread: Thread): Promise<readonly unknown[] | undefined> {
  if (!(memory?.store instanceof MemoryLog)) return undefined;
  const { at, items } = await memory.store.read(await keyOf(thread), { limit: MAX_ITEMS });
  // another process recalls them from position 0 on
  return (items as readonly Item[]).map((item) =>
    "summary" in item ? { ...item, before: Math.max(0, item.before - at) } : item,
  );
}

/**
 * Replaces an item of a thread's memory, or removes it: a summary with the turns that it stands for. A log only grows and is trimmed: the items that stay are written
 * again behind the old ones, which then go. A run that adds an item meanwhile wins.
 *
 * @throws Refusal `INPUT_INVALID` if there is no such item, `RUN_OPEN` if a run was faster
 */
export async function editMemory(
  { memory, name }: AnyPlanner,
  { at, edit, ...thread }: Thread & { readonly at: number; readonly edit: MemoryEdit | undefined },
): Promise<void> {
  if (memory === undefined) throw new Refusal("INPUT_INVALID", `Planner "${name}" has no memory`);
  const { store } = memory;
  const key = await keyOf(thread);
  const { length } = await store.read(key, { limit: 1 });
  const page = await store.read(key, { from: Math.max(0, length - MAX_ITEMS), limit: MAX_ITEMS });
  const placed = (page.items as readonly Item[]).map((item, index) => ({ at: page.at + index, item }));
  const found = placed.find((one) => one.at === at)?.item;
  if (found === undefined || (edit !== undefined && "summary" in edit !== "summary" in found))
    throw new Refusal("INPUT_INVALID", `The memory of the thread has no such item at ${at}: read it again`);
  const isGone = ({ at: place, item }: Placed): boolean =>
    place === at || ("summary" in found && (place < found.before || "summary" in item));
  const kept = edit === undefined ? placed.filter((one) => !isGone(one)) : placed;
  const rewritten = kept.map(({ at: place, item }): Item => {
    const changed = place === at ? { ...item, ...edit } : item;
    if (!("summary" in changed)) return changed;
    // it stands for the turns before a place, which have moved
    return { ...changed, before: length + kept.filter((one) => one.at < changed.before).length };
  });
  try {
    await store.append(key, length, rewritten);
  } catch (error) {
    if ((error as Partial<FlowError>).code !== FlowErrorCode.LOG_CONFLICT) throw error;
    throw new Refusal("RUN_OPEN", "A run has added to the memory meanwhile: read it again");
  }
  await store.trim(key, length);
}

/** Shows what the next model call of a thread will see. */
export async function memoryOf(
  { memory }: AnyPlanner,
  thread: Thread,
  resources: readonly string[],
): Promise<MemoryView> {
  if (memory === undefined) return { items: [], resources, isKept: false };
  const { store, turns: shown = 5, summary, maxTokens } = memory;
  const key = await keyOf(thread);
  const { length } = await store.read(key, { limit: 1 });
  const page = await store.read(key, { from: Math.max(0, length - MAX_ITEMS), limit: MAX_ITEMS });
  const placed = (page.items as readonly Item[]).map((item, index) => ({ at: page.at + index, item }));
  const summaryAt = placed.findLast(({ item }) => "summary" in item);
  const last = summaryAt?.item as Extract<Item, { readonly summary: string }> | undefined;
  const turns = placed.flatMap(({ at, item }) => ("user" in item && at >= (last?.before ?? 0) ? [{ at, item }] : []));
  const over = Math.max(shown, summary?.over ?? 0);
  const whole = summary === undefined || turns.length > over ? turns.slice(-shown) : turns;
  const old = turns.slice(0, turns.length - whole.length);
  let left = (maxTokens ?? Number.POSITIVE_INFINITY) - tokensOf(last?.summary ?? "");
  const fitting = whole
    .toReversed()
    .map((turn) => ({ turn, fits: (left -= tokensOf(JSON.stringify(turn.item))) >= 0 }))
    .toReversed();
  return {
    items: [
      ...(summaryAt === undefined ? [] : [itemOf("summary", summaryAt)]),
      ...old.map((turn) =>
        summary === undefined
          ? itemOf("dropped", turn, `older than the last ${shown} turns, and there is no summary`)
          : itemOf("pending", turn, "goes into the summary with the next run"),
      ),
      ...fitting.map(({ turn, fits }) =>
        fits ? itemOf("turn", turn) : itemOf("dropped", turn, `memory has ${maxTokens} tokens`),
      ),
    ],
    resources,
    isKept: true,
    ...(maxTokens !== undefined && { budgetTokens: maxTokens }),
  };
}

function itemOf(kind: View["kind"], { at, item }: Placed, why?: string): View {
  const text = textOf(item);
  const edit = "summary" in item ? { summary: item.summary } : { user: item.user, answer: item.answer };
  return { kind, text, tokens: tokensOf(text), at, edit, ...(why !== undefined && { why }) };
}

function textOf(item: Item): string {
  if ("summary" in item) return item.summary;
  const { user, answer, tools = [] } = item;
  return `${user}\n${tools.length === 0 ? "" : `(${tools.join(", ")})\n`}${answer}`;
}

const tokensOf = (text: string): number => Math.ceil(text.length / CHARACTERS_PER_TOKEN);

async function keyOf(thread: Thread): Promise<LogKey> {
  // loaded for planners alone: a project without one need not have the package
  const { threadKey } = await import("@penguiflow/planner");
  // a thread that is named has a key
  return threadKey({ ...thread, user: PERSON, runId: "" }) as LogKey;
}
