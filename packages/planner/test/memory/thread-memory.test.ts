import { MemoryLog } from "penguiflow";
import { describe, expect, test } from "vitest";
import type { Caller, RememberedTurn } from "../../src/index.ts";
import { readThread, rememberTurn } from "../../src/memory/thread-memory.ts";

const caller: Caller = { tenant: "acme", user: "ada", thread: "t1", runId: "r0" };
const turn = (runId: string): RememberedTurn => ({ runId, user: `ask ${runId}`, answer: `say ${runId}`, tools: [] });

describe("a thread", () => {
  test("shows its last turns, oldest first", async () => {
    const memory = { store: new MemoryLog(), turns: 2 };
    for (const runId of ["r1", "r2", "r3"]) await rememberTurn(memory, caller, turn(runId));
    expect(await readThread(memory, caller)).toEqual({ turns: [turn("r2"), turn("r3")], at: 3 });
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
