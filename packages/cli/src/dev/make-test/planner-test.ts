import { assertions } from "./flow-test.ts";
import { indented, literal } from "./literal.ts";
import { type TestParts, testText } from "./test-text.ts";

/** A turn of the model in a script. */
export interface ScriptTurn {
  readonly text?: string;
  readonly calls?: readonly { readonly tool: string; readonly args: unknown }[];
}

/** A run of a planner, as its test repeats it. */
export interface PlannerRunParts extends TestParts {
  readonly input: unknown;
  readonly turns: readonly ScriptTurn[];
  /** Results of the tools that are replayed, in the order of their calls. */
  readonly results: Readonly<Record<string, readonly unknown[]>>;
  readonly decisions: readonly unknown[];
  readonly status: string;
  readonly output: unknown;
  /** Each call with the kind of its result. */
  readonly calls: readonly (readonly [tool: string, kind: string])[];
}

/** Writes the test of a planner's run: its model is a script, and its tools give what they gave. */
export function plannerTest(parts: PlannerRunParts): string {
  const { turns, results, decisions, input, status, output, calls, runner } = parts;
  const expect = assertions(runner);
  return testText(parts, {
    imports: ['import { scriptedModel } from "@penguiflow/planner/testing";'],
    body: [
      `const model = scriptedModel([${indented(`\n${turns.map((turn) => `${literal(turn)},`).join("\n")}`, "  ")}\n]);`,
      `await using running = flow.withModel(model, ${indented(literal(results), "")}).start(${parts.options});`,
      `${decisions.length === 0 ? "const" : "let"} end = await running.run(${literal(input)});`,
      ...(decisions.length === 0
        ? []
        : [
            `for (const decision of ${literal(decisions)} as const) {`,
            '  const [question] = await running.questions({ tenant: "default" });',
            `  ${expect.ok("question")}`,
            '  end = await running.resume(question!.token, decision, { tenant: "default", by: "test" });',
            "}",
          ]),
      expect.equal("end.status", JSON.stringify(status)),
      ...(output === undefined ? [] : [expect.deepEqual('"output" in end && end.output', literal(output))]),
      "const calls = end.steps.flatMap((step) => step.calls.map(({ tool, output }) => [tool, output?.kind]));",
      expect.deepEqual("calls", literal(calls)),
    ],
  });
}
