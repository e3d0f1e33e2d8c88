import { indented } from "./literal.ts";
import type { ReplayedAttempt } from "./replays.ts";
import { type TestParts, testText } from "./test-text.ts";

/** A run of a flow, as its test repeats it. Texts are source code. */
export interface FlowRunParts extends TestParts {
  readonly input: string;
  readonly tenant: string;
  readonly answers: readonly string[];
  readonly status: string;
  readonly result: string | undefined;
  readonly errorCode: string | undefined;
  readonly nodes: readonly string[];
  readonly attempts: readonly ReplayedAttempt[];
}

/** Writes the test of a flow's run. */
export function flowTest(parts: FlowRunParts): string {
  const { runner, attempts, answers, input, tenant, status, result, errorCode, nodes } = parts;
  const expect = assertions(runner);
  const plan = attempts.map(faultOf);
  return testText(parts, {
    imports: plan.length === 0 ? [] : ['import { faultPlan } from "penguiflow/testing";'],
    body: [
      ...(plan.length === 0
        ? []
        : ["using plan = faultPlan([", ...plan.map((line) => `  ${indented(line, "  ")},`), "]);"]),
      "const nodes = new Set<string>();",
      "flow.addMiddleware((event) => {",
      '  if (event.type === "node_start" && event.flow === flow.name) nodes.add(event.node);',
      "});",
      `await using running = flow.start(${parts.options});`,
      `${answers.length === 0 ? "const" : "let"} outcome = await running.outcome(${input}${tenant === "default" ? "" : `, { tenant: ${JSON.stringify(tenant)} }`});`,
      ...(answers.length === 0
        ? []
        : [
            `for (const answer of [${answers.join(", ")}]) {`,
            '  if (outcome.status !== "paused") break;',
            `  outcome = await running.pauses.resume(outcome.pauses[0]!.token, answer${tenant === "default" ? "" : `, { tenant: ${JSON.stringify(tenant)} }`});`,
            "}",
          ]),
      "await running.flush();",
      expect.equal("outcome.status", JSON.stringify(status)),
      ...(errorCode === undefined
        ? []
        : [expect.equal('"error" in outcome && outcome.error.code', JSON.stringify(errorCode))]),
      ...(result === undefined ? [] : [expect.deepEqual("outcome.results.at(-1)", result)]),
      expect.deepEqual("[...nodes].sort()", JSON.stringify(nodes)),
      ...(plan.length === 0 ? [] : [expect.deepEqual("plan.unmet", "[]")]),
    ],
  });
}

function faultOf({ node, attempt, value, error }: ReplayedAttempt): string {
  const on = attempt === 1 ? "" : `, onAttempt: ${attempt}`;
  const what =
    error === undefined
      ? `type: "return", value: ${value ?? "undefined"}`
      : `type: "throw", error: new Error(${JSON.stringify(error)})`;
  return `{ node: ${JSON.stringify(node)}, ${what}${on} }`;
}

/** Returns the statements by which a runner checks values. */
export function assertions(runner: TestParts["runner"]) {
  const isVitest = runner === "vitest";
  return {
    equal: (actual: string, wanted: string) =>
      isVitest ? `expect(${actual}).toBe(${wanted});` : `assert.equal(${actual}, ${wanted});`,
    deepEqual: (actual: string, wanted: string) =>
      isVitest ? `expect(${actual}).toEqual(${wanted});` : `assert.deepEqual(${actual}, ${wanted});`,
    ok: (actual: string) => (isVitest ? `expect(${actual}).toBeTruthy();` : `assert.ok(${actual});`),
  };
}
