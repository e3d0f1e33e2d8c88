import { indented } from "./literal.ts";

/** Text that all tests have in common. */
export interface TestParts {
  readonly runner: "vitest" | "node:test";
  readonly runId: string;
  readonly title: string;
  /** Path of the module that exports the flow, from the test's folder. */
  readonly entry: string;
  /** Name of the export, such as `flows[0]`. */
  readonly exported: string;
  /** Path of the settings, from the test's folder. */
  readonly config: string | undefined;
  /** Source code of the options with which the flow runs. */
  readonly options: string;
  readonly replayed: readonly { readonly node: string; readonly why: string }[];
}

/** Writes a test file around the statements of its test. */
export function testText(
  { runner, runId, title, entry, exported, config, replayed }: TestParts,
  { imports, body }: { readonly imports: readonly string[]; readonly body: readonly string[] },
): string {
  const [name = exported] = /^[\w$]+/.exec(exported) ?? [];
  const imported =
    name === "default"
      ? "flow"
      : name === exported
        ? name === "flow"
          ? "{ flow }"
          : `{ ${name} as flow }`
        : `{ ${name} }`;
  const text = body.join("\n");
  const shown = replayed.map(({ node, why }) => `${node} (${why})`).join(", ");
  return [
    `// Made by penguiflow from run ${runId}. ${shown === "" ? "Every node runs." : `Replayed: ${shown}. All else runs.`}`,
    ...(runner === "vitest" ? [] : ['import assert from "node:assert/strict";', 'import { test } from "node:test";']),
    ...(text.includes("readValue(") ? ['import { readValue } from "penguiflow/durable";'] : []),
    ...imports,
    ...(runner === "vitest" ? ['import { expect, test } from "vitest";'] : []),
    ...(config === undefined ? [] : [`import config from ${JSON.stringify(config)};`]),
    `import ${imported} from ${JSON.stringify(entry)};`,
    ...(name === exported ? [] : ["", `const flow = ${exported}!;`]),
    "",
    `test(${JSON.stringify(title)}, async () => {`,
    `  ${indented(text, "  ")}`,
    "});",
    "",
  ].join("\n");
}
