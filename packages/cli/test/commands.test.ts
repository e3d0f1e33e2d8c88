import { readFileSync } from "node:fs";
import path from "node:path";
import { create, type Flow, payloadNode } from "penguiflow";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { describe, expect, test } from "vitest";
import { main } from "../src/main.ts";
import { fakeIo } from "./fake-io.ts";
import { Scratch } from "./scratch.ts";

/** Runs a command line in a folder. */
async function penguiflow(folder: string, line: readonly string[], options: Parameters<typeof fakeIo>[1] = {}) {
  const io = fakeIo(folder, options);
  const status = await main(line, io);
  return { status, printed: io.printed(), said: io.said() };
}

const SHOUT = `
import { create, payloadNode } from "penguiflow";
const shout = payloadNode("shout", async (text: string, ctx) => {
  await ctx.emitChunk({ text: "so: " });
  return text.toUpperCase();
});
export const flow = create(shout.to(), { name: "shout" });
`;

const ASKS = `
import { create, payloadNode } from "penguiflow";
const ask = payloadNode("ask", async (sum: number, ctx) => {
  const answer = await ctx.pause({ reason: "may it be paid?", payload: { sum } });
  return answer === true ? "paid" : "not paid";
});
export const flow = create(ask.to(), { name: "asks" });
`;

describe("run", () => {
  test("prints what streams and the result, and nothing else on standard output", async () => {
    using project = new Scratch({ "src/flows.ts": SHOUT });
    expect(await penguiflow(project.folder, ["run", "hello"])).toEqual({
      status: 0,
      printed: "so: \nHELLO\n",
      said: "",
    });
  });

  test("with --json prints one object a line, the end last", async () => {
    using project = new Scratch({ "src/flows.ts": SHOUT });
    const { printed } = await penguiflow(project.folder, ["run", "shout", "hello", "--json"]);
    const lines = printed
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map(({ type }) => type)).toEqual(["chunk", "chunk", "result", "end"]);
    expect(lines.at(-1)).toEqual({ type: "end", status: "completed" });
  });

  test("reads the input from a file or from standard input, as JSON if it is any", async () => {
    using project = new Scratch({ "src/flows.ts": SHOUT, "input.txt": "from a file\n" });
    expect((await penguiflow(project.folder, ["run", "-i", "@input.txt"])).printed).toContain("FROM A FILE");
    expect((await penguiflow(project.folder, ["run", "-i", "-"], { input: '"quoted"' })).printed).toContain("QUOTED");
    const asText = await penguiflow(project.folder, ["run", "--text", "-i", "-"], { input: "17" });
    expect(asText.printed).toContain("17");
    const missing = await penguiflow(project.folder, ["run", "-i", "@none.txt"]);
    expect(missing).toMatchObject({ status: 2 });
    expect(missing.said).toContain("none.txt");
  });

  test("a failed run tells its error and exits with 1", async () => {
    using project = new Scratch({ "src/flows.ts": SHOUT });
    const { status, said } = await penguiflow(project.folder, ["run", "17"]);
    expect(status).toBe(1);
    expect(said).toMatch(/failed NODE_EXCEPTION: Node "shout" failed: text.toUpperCase is not a function/);
  });

  test("a run that asks is answered at the terminal, and goes on", async () => {
    using project = new Scratch({ "src/flows.ts": ASKS });
    const answered = await penguiflow(project.folder, ["run", "50"], { answers: ["true"] });
    expect(answered).toMatchObject({ status: 0, printed: "paid\n" });
    expect(answered.said).toMatch(/may it be paid\?[^]*"sum": 50/);
  });

  test("a run that asks where nobody is exits with 6 and says what it waits for", async () => {
    using project = new Scratch({ "src/flows.ts": ASKS });
    const { status, said } = await penguiflow(project.folder, ["run", "50"]);
    expect(status).toBe(6);
    expect(said).toContain("may it be paid?");
  });

  test("the settings of the project give the resources", async () => {
    using project = new Scratch({
      "code/mine.ts": `
        import { type Context, create, payloadNode } from "penguiflow";
        const greet = payloadNode("greet", (name: string, ctx: Context<{ word: string }>) => \`\${ctx.resources.word} \${name}\`);
        export const flows = [create(greet.to(), { name: "greet" })];`,
      "penguiflow.config.ts": `export default { entry: "code/mine.ts", run: () => ({ resources: { word: process.env.WORD_OF_TEST } }) };`,
      ".env": "WORD_OF_TEST=Hei\n",
    });
    expect((await penguiflow(project.folder, ["run", "Kari"])).printed).toBe("Hei Kari\n");
  });

  test("an aborted run is cancelled and exits with 130", async () => {
    using project = new Scratch({
      "src/flows.ts": `
        import { create, payloadNode } from "penguiflow";
        export const flow = create(payloadNode("wait", (_: string, ctx) => ctx.sleep(60_000)).to(), { name: "wait" });`,
    });
    const controller = new AbortController();
    const running = penguiflow(project.folder, ["run", "x"], { signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    expect(await running).toMatchObject({ status: 130 });
  });
});

describe("a project", () => {
  test("without a file of flows is told what was looked for", async () => {
    using project = new Scratch();
    const { status, said } = await penguiflow(project.folder, ["check"]);
    expect(status).toBe(4);
    expect(said).toContain("src/{flows,agent,index,main}.{ts,mts,js,mjs}");
  });

  test("whose code throws is shown the line", async () => {
    using project = new Scratch({ "src/flows.ts": 'const a = 1;\nthrow new Error("no key " + a);\n' });
    const { said } = await penguiflow(project.folder, ["check"]);
    expect(said).toContain("no key 1");
    expect(said).toContain('> 2 | throw new Error("no key " + a);');
  });

  test("with several flows is asked which, and a misspelt name is guessed", async () => {
    using project = new Scratch({
      "src/flows.ts": `${SHOUT}\nexport const more = { whisper: create(payloadNode("whisper", (text: string) => text).to(), { name: "whisper" }) };`,
    });
    expect((await penguiflow(project.folder, ["draw"])).said).toContain("say which of shout, whisper");
    expect((await penguiflow(project.folder, ["draw", "whsper"])).said).toContain('did you mean "whisper"?');
    expect((await penguiflow(project.folder, ["draw", "whisper"])).printed).toContain("flowchart TD");
  });

  test("with an unknown setting is told which", async () => {
    using project = new Scratch({ "src/flows.ts": SHOUT, "penguiflow.config.ts": "export default { entri: 'x' };" });
    const { status, said } = await penguiflow(project.folder, ["check"]);
    expect(status).toBe(4);
    expect(said).toContain('unknown setting "entri"; did you mean "entry"?');
  });
});

test("check fails with the linter's errors, and with its warnings only if it is strict", async () => {
  using project = new Scratch({
    "src/flows.ts": `
      import { create, payloadNode } from "penguiflow";
      const read = payloadNode({ name: "read", effects: "reads" }, (text: string) => text);
      export const flow = create(read.to(), { name: "reads" });`,
  });
  expect(await penguiflow(project.folder, ["check"])).toMatchObject({ status: 0 });
  const strict = await penguiflow(project.folder, ["check", "--strict"]);
  expect(strict).toMatchObject({ status: 1 });
  expect(strict.printed).toContain("io-without-timeout");
});

test.for([
  ["mermaid", "flowchart TD"],
  ["dot", "digraph"],
  ["json", '"nodes"'],
  ["svg", '<svg xmlns="http://www.w3.org/2000/svg"'],
] as const)("draw prints %s", async ([format, text]) => {
  using project = new Scratch({ "src/flows.ts": SHOUT });
  expect((await penguiflow(project.folder, ["draw", "--format", format])).printed).toContain(text);
});

describe("over a state store", () => {
  async function filled(): Promise<Scratch> {
    const project = new Scratch();
    await using store = await SqliteStateStore.open({ file: path.join(project.folder, "runs.db") });
    const work = payloadNode("work", (number: number) => {
      if (number > 2) throw new Error("too much");
      return number;
    });
    await using flow: Flow<number, number> = create(work.to(), { name: "work", stateStore: store });
    flow.run();
    for (const number of [1, 2, 3]) await flow.outcome(number, { traceId: `trace-${number}`, tenant: "acme" });
    await flow.flush();
    return project;
  }

  test("runs list shows the latest first, and filters", async () => {
    using project = await filled();
    const store = ["--store", "runs.db", "--tenant", "acme"];
    const all = await penguiflow(project.folder, ["runs", "list", ...store]);
    expect(all.printed.match(/trace-\d/g)).toEqual(["trace-3", "trace-2", "trace-1"]);
    const failed = await penguiflow(project.folder, ["runs", "list", ...store, "--state", "failed", "--json"]);
    expect(JSON.parse(failed.printed)).toMatchObject([{ traceId: "trace-3", errorCode: "NODE_EXCEPTION" }]);
    const limited = await penguiflow(project.folder, ["runs", "list", ...store, "--limit", "2"]);
    expect(limited.said).toContain("more than 2");
    expect(limited.printed.match(/trace-\d/g)).toHaveLength(2);
    const other = await penguiflow(project.folder, ["runs", "list", "--store", "runs.db"]);
    expect(other).toMatchObject({ status: 0, printed: "", said: "There are no such runs\n" });
  });

  test("runs export prints every event as a line of JSON", async () => {
    using project = await filled();
    const { printed } = await penguiflow(project.folder, [
      "runs",
      "export",
      "--store",
      "runs.db",
      "--tenant",
      "acme",
      "--since",
      "1h",
    ]);
    const kinds = printed
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds.filter((kind) => kind === "trace_end")).toHaveLength(3);
  });

  test("history prints the events of a trace in order; of an unknown one it exits with 7", async () => {
    using project = await filled();
    const env = { PENGUIFLOW_STORE: path.join(project.folder, "runs.db") };
    const { printed } = await penguiflow(project.folder, ["history", "trace-3", "--tenant", "acme"], { env });
    expect(printed.split("\n")[0]).toContain("trace_start");
    expect(printed.trimEnd().split("\n").at(-1)).toContain("trace_end");
    const tail = await penguiflow(project.folder, ["history", "trace-3", "--tenant", "acme", "--tail", "1"], { env });
    expect(tail.printed).toBe(`${printed.trimEnd().split("\n").at(-1)}\n`);
    expect(await penguiflow(project.folder, ["history", "trace-3"], { env })).toMatchObject({ status: 7 });
  });

  test("replay writes the events of a trace into the log, each at its level and in order", async () => {
    using project = await filled();
    const store = ["--store", "runs.db", "--tenant", "acme"];
    const { status, printed } = await penguiflow(project.folder, ["replay", "trace-3", ...store]);
    const lines = printed.trimEnd().split("\n");
    expect(status).toBe(0);
    expect(lines.map((line) => line.split(" at=")[0])).toEqual([
      "INFO  trace_start",
      "INFO  node_start",
      "WARN  node_error",
      "ERROR node_failed",
      "ERROR trace_end",
    ]);
    expect(lines.at(-1)).toContain("traceId=trace-3");
    const tail = await penguiflow(project.folder, ["replay", "trace-3", ...store, "--tail", "1"]);
    expect(tail.printed).toBe(`${lines.at(-1)}\n`);
    expect(await penguiflow(project.folder, ["replay", "trace-9", ...store])).toMatchObject({ status: 7, printed: "" });
  });

  test("replay calls a middleware of the project, and says what is none", async () => {
    using project = await filled();
    project.write({
      "src/metrics.ts": `
        import { appendFileSync } from "node:fs";
        export default async (event) => appendFileSync(new URL("seen.txt", import.meta.url), event.type + "\\n");`,
      "src/none.ts": "export const metrics = 1;",
    });
    const line = ["replay", "trace-1", "--store", "runs.db", "--tenant", "acme", "--into"];
    const replayed = await penguiflow(project.folder, [...line, "src/metrics.ts"]);
    expect(replayed).toMatchObject({ status: 0, printed: "", said: "4 events replayed into src/metrics.ts\n" });
    const seen = readFileSync(path.join(project.folder, "src/seen.txt"), "utf8");
    expect(seen.trimEnd().split("\n")).toEqual(["trace_start", "node_start", "node_success", "trace_end"]);
    const none = await penguiflow(project.folder, [...line, "src/none.ts"]);
    expect(none).toMatchObject({ status: 4 });
    expect(none.said).toContain("src/none.ts must export a middleware as default");
  });

  test("a store that is not there is not created", async () => {
    using project = new Scratch();
    expect(await penguiflow(project.folder, ["runs", "list", "--store", "none.db"])).toMatchObject({ status: 7 });
    expect(await penguiflow(project.folder, ["runs", "list"])).toMatchObject({ status: 2 });
  });
});

describe("a durable flow", () => {
  const DURABLE = `
    import { create, payloadNode } from "penguiflow";
    import { durable } from "penguiflow/durable";
    import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
    const checkpoints = await SqliteCheckpointStore.open({ file: new URL("flow.db", import.meta.url).pathname });
    const ask = payloadNode("ask", async (sum: number, ctx) => {
      const answer = await ctx.pause({ reason: "may it be paid?" });
      return answer === true ? "paid " + sum : "not paid";
    });
    export const flow = create(ask.to(), { name: "asks", durability: durable({ checkpoints }) });`;

  test("is answered by a later command", async () => {
    using project = new Scratch({ "src/flows.ts": DURABLE });
    const paused = await penguiflow(project.folder, ["run", "50"]);
    expect(paused).toMatchObject({ status: 6 });
    expect(paused.said).toContain("penguiflow pauses");
    const [open] = JSON.parse((await penguiflow(project.folder, ["pauses", "--json"])).printed) as [{ token: string }];
    const answered = await penguiflow(project.folder, ["resume", open.token, "true"]);
    expect(answered).toMatchObject({ status: 0, printed: "paid 50\n" });
    expect(await penguiflow(project.folder, ["resume", open.token, "true"])).toMatchObject({ status: 8 });
    expect((await penguiflow(project.folder, ["pauses"])).said).toBe("Nothing waits for an answer\n");
  });

  test("only has pauses that outlast a process", async () => {
    using project = new Scratch({ "src/flows.ts": ASKS });
    const { status, said } = await penguiflow(project.folder, ["pauses"]);
    expect(status).toBe(1);
    expect(said).toContain("is not durable");
  });
});

test("simulate runs the seeds of a file, and a broken seed fails with its number", async () => {
  const sim = (check: string) => `
    import { create, payloadNode } from "penguiflow";
    export default {
      flow: (ports) => create(payloadNode("double", (n: number) => n * 2).to(), { name: "double", ...ports }),
      input: () => 2,
      check: (requests) => { ${check} },
    };`;
  using good = new Scratch({ "test/double.sim.ts": sim("") });
  const passed = await penguiflow(good.folder, ["simulate", "--seeds", "30"]);
  expect(passed).toMatchObject({ status: 0 });
  expect(passed.printed).toContain("every law holds");
  using bad = new Scratch({ "test/double.sim.ts": sim('throw new Error("never right");') });
  const failed = await penguiflow(bad.folder, ["simulate", "--json"]);
  expect(failed).toMatchObject({ status: 1 });
  expect(JSON.parse(failed.printed)).toMatchObject({ seed: 1, broken: ["Your check: never right"] });
});

test("doctor tells what is wrong and how to mend it", async () => {
  using project = new Scratch({
    "src/flows.ts": SHOUT,
    "tsconfig.json": '{ "compilerOptions": { "erasableSyntaxOnly": true } }',
  });
  const { status, printed } = await penguiflow(project.folder, ["doctor"]);
  expect(status).toBe(1);
  expect(printed).toContain("✓ erasableSyntaxOnly: on");
  expect(printed).toContain("✕ verbatimModuleSyntax: off");
  expect(printed).toContain("✓ flows: src/flows.ts exports 1 flow: shout");
});

test("an error is one line of JSON if JSON is asked for", async () => {
  using project = new Scratch();
  const { printed, said } = await penguiflow(project.folder, ["check", "--json"]);
  expect(JSON.parse(printed)).toMatchObject({ error: { code: "ENTRY_MISSING" } });
  expect(said).toBe("");
});
