import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { NewTest, RunView, TestMade } from "@penguiflow/playground/protocol";
import { findConfig } from "../../project/find-entry.ts";
import { KeptMessages } from "../api/run-details.ts";
import type { Fact } from "../ipc/fact.ts";
import type { LoadedFlow } from "../ipc/messages.ts";
import type { OpenRun } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { flowTest } from "./flow-test.ts";
import { keptLiteral } from "./literal.ts";
import { plannerTest, type ScriptTurn } from "./planner-test.ts";
import { prove } from "./prove.ts";
import { nodeToBreak, replaysOf } from "./replays.ts";
import type { TestParts } from "./test-text.ts";

/** A test of a run, before it is proved. */
interface Draft {
  readonly text: string;
  readonly replayed: TestMade["replayed"];
  readonly breaks: string | undefined;
}

/**
 * Makes a test of a run, and proves it.
 *
 * @param file - relative to the project. @defaultValue `test/FLOW-RUN.test.ts`
 * @throws ApiError `RUN_NOT_WHOLE`, `FILE_EXISTS`, `FORBIDDEN`
 */
export async function makeTest(supervisor: Supervisor, open: OpenRun, wish: NewTest, file?: string): Promise<TestMade> {
  const { root, env, execArgv } = supervisor;
  const view: RunView = { ...open.run.view(), pauses: [] };
  const { flow: name, runId } = open.run.place;
  if (!view.isWhole)
    throw new ApiError("RUN_NOT_WHOLE", "The run has not ended, or was not recorded from its start to its end");
  const { entry } = supervisor;
  const flow = supervisor.flow(name);
  if (entry === undefined || flow.exported === undefined)
    throw new ApiError("RUN_NOT_WHOLE", `"${name}" is not exported: a test cannot import it`);
  const place = file ?? `test/${name.replaceAll(/[^\w-]+/g, "-")}-${runId.slice(0, 8)}.test${path.extname(entry)}`;
  const target = path.resolve(root, place);
  if (!target.startsWith(root + path.sep)) throw new ApiError("FORBIDDEN", "A test is written into the project alone");
  if (existsSync(target)) throw new ApiError("FILE_EXISTS", `${place} exists: move it away, or name another file`);
  const runner = wish.runner ?? runnerOf(root);
  const from = (other: string): string => {
    const relative = path.relative(path.dirname(target), other).split(path.sep).join("/");
    return relative.startsWith(".") ? relative : `./${relative}`;
  };
  const config = findConfig(root);
  const parts: TestParts = {
    runner,
    runId,
    title: `${name}: ${view.input.slice(0, 60)}`,
    entry: from(path.resolve(root, entry)),
    exported: flow.exported,
    config: config && from(config),
    options:
      config === undefined
        ? ""
        : `((await config.run?.(flow${flow.kind === "planner" ? ".flow" : ""} as never)) ?? {}) as never`,
    replayed: [],
  };
  const facts = supervisor.runs.rows.facts(open.key);
  const real = wish.runForReal ?? [];
  const draft =
    flow.kind === "planner" ? plannerDraft(parts, view, facts, real) : flowDraft(parts, view, facts, flow, open, real);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, draft.text, { flag: "wx" });
  let proof: TestMade["proof"] = { passes: false, failsWhenBroken: false, output: "" };
  try {
    proof = await prove({ root, file: target, runner, execArgv, env, breaks: draft.breaks });
  } finally {
    if (wish.write !== true || !proof.passes || !proof.failsWhenBroken) rmSync(target, { force: true });
  }
  return { path: place, text: draft.text, runner, replayed: draft.replayed, proof, isWritten: existsSync(target) };
}

function flowDraft(
  parts: TestParts,
  view: RunView,
  facts: readonly Fact[],
  { graph }: LoadedFlow,
  { run }: OpenRun,
  real: readonly string[],
): Draft {
  const messages = new KeptMessages(facts);
  const { attempts, nodes: replayed } = replaysOf(graph, view.steps, messages, real);
  const input = keptLiteral(run.input);
  if (input === undefined) throw new ApiError("RUN_NOT_WHOLE", "The input of the run was not kept whole");
  const answers = facts.flatMap((fact) =>
    fact.kind === "record" && fact.record.type === "answered" ? [keptLiteral(fact.record.value) ?? "undefined"] : [],
  );
  const names = new Set(
    view.steps
      .filter(({ path: within, startedAt }) => within.length === 0 && startedAt !== undefined)
      .map(({ node }) => node),
  );
  const text = flowTest({
    ...parts,
    replayed,
    input,
    tenant: run.place.tenant,
    answers,
    attempts,
    status: view.state,
    errorCode: view.error?.code,
    result: keptLiteral(run.results.at(-1)),
    nodes: [...names].sort(),
  });
  return {
    text,
    replayed,
    breaks: nodeToBreak(
      graph,
      view.steps,
      replayed.map(({ node }) => node),
    ),
  };
}

function plannerDraft(parts: TestParts, view: RunView, facts: readonly Fact[], real: readonly string[]): Draft {
  const turns = facts.flatMap((fact) => (fact.kind === "model" && isTurn(fact.call) ? [turnOf(fact.call.reply)] : []));
  const results: Record<string, unknown[]> = {};
  const calls: [string, string][] = [];
  const decisions: unknown[] = [];
  let output: unknown;
  for (const event of view.plan ?? []) {
    if (event.path.length > 0) continue;
    if (event.type === "decision") decisions.push(event.decision);
    if (event.type === "end" && event.end.status === "completed") ({ output } = event.end);
    if (event.type !== "result") continue;
    calls.push([event.tool, event.output.kind]);
    // a call that did not run has no result of its tool
    const ran = event.output.kind === "text" || event.output.kind === "json" || event.output.kind === "content";
    if (ran && !real.includes(event.tool)) (results[event.tool] ??= []).push(event.output);
  }
  const replayed = [
    { node: "model", why: "its answers come from a script" },
    ...Object.keys(results).map((node) => ({ node, why: "tool" })),
  ];
  const text = plannerTest({
    ...parts,
    replayed,
    input: view.inputValue,
    turns,
    results,
    decisions,
    status: view.state,
    output,
    calls,
  });
  return { text, replayed, breaks: "answer" };
}

/** Whether a model call is a turn of the planner itself. */
function isTurn({ purpose, path: within, error }: Extract<Fact, { readonly kind: "model" }>["call"]): boolean {
  return purpose === "step" && within.length === 0 && error === undefined;
}

function turnOf(reply: readonly unknown[]): ScriptTurn {
  const parts = reply as readonly {
    readonly type: string;
    readonly text?: string;
    readonly toolName?: string;
    readonly input?: string;
  }[];
  const said = parts.map(({ type, text = "" }) => (type === "text" ? text : "")).join("");
  const calls = parts.flatMap(({ type, toolName = "", input = "{}" }) =>
    type === "tool-call" ? [{ tool: toolName, args: JSON.parse(input) as unknown }] : [],
  );
  return { ...(said !== "" && { text: said }), ...(calls.length > 0 && { calls }) };
}

/** Returns the project's runner: vitest if it is a dependency. */
function runnerOf(root: string): TestMade["runner"] {
  try {
    const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Readonly<
      Record<string, Readonly<Record<string, string>> | undefined>
    >;
    const isVitest =
      manifest["devDependencies"]?.["vitest"] !== undefined || manifest["dependencies"]?.["vitest"] !== undefined;
    return isVitest ? "vitest" : "node:test";
  } catch {
    return "node:test";
  }
}
