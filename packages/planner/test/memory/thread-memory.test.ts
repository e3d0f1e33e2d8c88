import { FlowError, FlowErrorCode, MemoryLog } from "penguiflow";
import { describe, expect, test } from "vitest";
import type { Caller, Memory, RememberedTurn } from "../../src/index.ts";
import { readThread as read, rememberTurn, type ThreadMemory } from "../../src/memory/thread-memory.ts";
import { type ModelScript, type ScriptedModel, scriptedModel } from "../../src/testing/index.ts";

const caller: Caller = { tenant: "acme", user: "ada", thread: "t1", runId: "r0" };
const turn = (runId: string): RememberedTurn => ({ runId, user: `ask ${runId}`, answer: `say ${runId}`, tools: [] });

const { signal } = new AbortController();
const readThread = async (
  memory: Memory,
  of: Caller,
  model: ScriptedModel = scriptedModel([]),
): Promise<ThreadMemory> =>
  await read(memory, of, { model: () => model, prices: { scripted: { input: 1, output: 1 } }, signal });
const recordIn = (model: ScriptedModel, call: number): unknown => {
  const content = model.calls[call]?.prompt[1]?.content as ReadonlyArray<{ readonly text: string }> | undefined;
  return JSON.parse(content?.[0]?.text ?? "");
};
const runsIn = ({ turns }: ThreadMemory): string[] => turns.map(({ runId }) => runId);

describe("a thread", () => {
  test("case 42: shows its last turns, oldest first", async () => {
    const memory = { store: new MemoryLog(), turns: 2 };
    for (const runId of ["r1", "r2", "r3"]) await rememberTurn(memory, caller, turn(runId));
    expect(await readThread(memory, caller)).toEqual({ turns: [turn("r2"), turn("r3")], at: 3 });
  });

  test("shows no turn, and keeps them, when it is to show none", async () => {
    const memory = { store: new MemoryLog(), turns: 0 };
    await rememberTurn(memory, caller, turn("r1"));
    expect(await readThread(memory, caller)).toEqual({ turns: [], at: 1 });
    expect(runsIn(await readThread({ ...memory, turns: 1 }, caller))).toEqual(["r1"]);
  });

  test("keeps a turn once for each run", async () => {
    const memory = { store: new MemoryLog() };
    for (const runId of ["r1", "r2", "r1"]) await rememberTurn(memory, caller, turn(runId), 0);
    expect((await readThread(memory, caller)).turns.map(({ runId }) => runId)).toEqual(["r1", "r2"]);
  });

  test("keeps the turns of runs that end at once", async () => {
    const memory = { store: new MemoryLog(), turns: 10 };
    const runs = ["r1", "r2", "r3", "r4"];
    await Promise.all([...runs, ...runs].map((runId) => rememberTurn(memory, caller, turn(runId))));
    expect((await readThread(memory, caller)).turns.map(({ runId }) => runId).sort()).toEqual(runs);
  });

  test("is of one tenant, one user and one name, with separators in their names", async () => {
    const memory = { store: new MemoryLog() };
    const callers: Caller[] = [
      { tenant: "a", user: "b", thread: "c", runId: "0" },
      { tenant: "a", user: undefined, thread: "c", runId: "1" },
      { tenant: "a", user: "null", thread: "c", runId: "2" },
      { tenant: "a", user: "", thread: "c", runId: "3" },
      { tenant: "a", user: 'b","c', thread: "", runId: "4" },
      { tenant: "a", user: "b", thread: '","c', runId: "5" },
      { tenant: "a/b", user: "", thread: "c", runId: "6" },
      { tenant: "a", user: "b/c", thread: "", runId: "7" },
    ];
    for (const each of callers) await rememberTurn(memory, each, turn(each.runId));
    for (const each of callers) expect((await readThread(memory, each)).turns).toEqual([turn(each.runId)]);
  });

  test("is nowhere for a caller without one", async () => {
    const memory = { store: new MemoryLog() };
    const without = { tenant: "acme", user: "ada", runId: "r1" };
    await rememberTurn(memory, without, turn("r1"));
    expect(await readThread(memory, without)).toEqual({ turns: [], at: 0 });
  });
});

describe("a summary", () => {
  /** A thread of so many turns, with a memory of two turns and a summary from five. */
  async function threadOf(count: number, change: Partial<Memory> = {}): Promise<Memory> {
    const memory: Memory = { store: new MemoryLog(), turns: 2, summary: { over: 4 }, ...change };
    for (let run = 1; run <= count; run += 1) await rememberTurn(memory, caller, turn(`r${run}`));
    return memory;
  }
  const summing = (script: ModelScript): ScriptedModel => scriptedModel(script, { loop: true });

  test("case 42: is made of all but the last turns once there are enough, and not again before there are", async () => {
    const memory = await threadOf(4);
    const model = summing([" They met. "]);
    expect(runsIn(await readThread(memory, caller, model))).toEqual(["r1", "r2", "r3", "r4"]);
    expect(model.count).toBe(0);
    await rememberTurn(memory, caller, turn("r5"));
    const first = await readThread(memory, caller, model);
    expect(first).toEqual({
      summary: "They met.",
      turns: [turn("r4"), turn("r5")],
      at: 5,
      spent: { tokens: 15, costUsd: 15e-6 },
    });
    expect(recordIn(model, 0)).toEqual({ turns: [turn("r1"), turn("r2"), turn("r3")] });
    for (const run of ["r6", "r7"]) await rememberTurn(memory, caller, turn(run), first.at);
    expect(await readThread(memory, caller, model)).toMatchObject({ summary: "They met.", at: 8 });
    expect(model.count).toBe(1);
  });

  test("rolls on: the next is made of the last and the turns behind it", async () => {
    const memory = await threadOf(5);
    const model = summing(["one", "two"]);
    await readThread(memory, caller, model);
    for (const run of ["r6", "r7", "r8"]) await rememberTurn(memory, caller, turn(run));
    const { summary, turns } = await readThread(memory, caller, model);
    expect([summary, ...turns.map(({ runId }) => runId)]).toEqual(["two", "r7", "r8"]);
    expect(recordIn(model, 1)).toEqual({ summary: "one", turns: [turn("r4"), turn("r5"), turn("r6")] });
  });

  test.each<[string, ModelScript]>([
    ["throws", [new Error("no model today")]],
    ["says nothing", [" "]],
    ["is cut by its length", [{ text: "They", finish: "length" }]],
  ])("that %s leaves the last turns, and the next run tries again", async (_, script) => {
    const memory = await threadOf(5);
    const failed = await readThread(memory, caller, summing(script));
    expect(runsIn(failed)).toEqual(["r4", "r5"]);
    expect(failed).not.toHaveProperty("summary");
    const { summary, turns } = await readThread(memory, caller, summing(["at last"]));
    expect([summary, ...turns.map(({ runId }) => runId)]).toEqual(["at last", "r4", "r5"]);
  });

  test("is made by its own model, if it has one", async () => {
    const own = summing(["by a small one"]);
    const memory = await threadOf(5, { summary: { over: 4, model: own } });
    expect(await readThread(memory, caller)).toMatchObject({ summary: "by a small one" });
  });

  test("is given up with the run", async () => {
    const abort = new AbortController();
    const model = summing(() => {
      abort.abort(new Error("enough"));
      return new Promise<string>(() => {});
    });
    const reading = read(await threadOf(5), caller, { model: () => model, signal: abort.signal });
    await expect(reading).rejects.toThrow("enough");
  });

  test("is of use when another run was faster, and not kept", async () => {
    const memory = await threadOf(5);
    const model = summing(async () => {
      await rememberTurn(memory, caller, turn("r6"));
      return "mine";
    });
    expect(await readThread(memory, caller, model)).toMatchObject({ summary: "mine" });
    expect((await memory.store.read({ tenant: "acme", name: '["thread","ada","t1"]' })).length).toBe(6);
  });

  test("of all turns is made with no turn shown whole", async () => {
    const memory = await threadOf(3, { turns: 0, summary: { over: 2 } });
    expect(await readThread(memory, caller, summing(["all"]))).toMatchObject({ summary: "all", turns: [] });
    expect(await readThread(memory, caller)).toMatchObject({ summary: "all", turns: [], at: 4 });
  });
});

test("memory takes no more than its tokens: the summary first, then the latest turns", async () => {
  const store = new MemoryLog();
  const memory: Memory = { store, turns: 4, summary: { over: 4 } };
  for (const run of ["r1", "r2", "r3", "r4", "r5"]) await rememberTurn(memory, caller, turn(run));
  await readThread(memory, caller, scriptedModel(["They met. ".repeat(20)]));
  const size = JSON.stringify(turn("r1")).length / 4;
  const within = async (maxTokens: number): Promise<[number, string[]]> => {
    const told = await readThread({ ...memory, maxTokens }, caller);
    return [told.summary?.length ?? 0, runsIn(told)];
  };
  expect(await within(1_000)).toEqual([199, ["r2", "r3", "r4", "r5"]]);
  expect(await within(50 + 2 * Math.ceil(size) + 1)).toEqual([199, ["r4", "r5"]]);
  expect(await within(20)).toEqual([80, []]);
});

test("a store that fails is not taken for a faster run", async () => {
  const store = new MemoryLog();
  store.append = () => Promise.reject(new FlowError({ code: FlowErrorCode.CHECKPOINT_FAILED, message: "disk" }));
  await expect(rememberTurn({ store }, caller, turn("r1"))).rejects.toThrow("disk");
});
