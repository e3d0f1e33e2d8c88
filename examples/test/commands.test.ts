import { existsSync, globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { runExample } from "./run-example.ts";

const EXAMPLES = path.resolve(import.meta.dirname, "..");

/** Last line of each example, which shows that its command completed. */
const LAST_WORDS: Readonly<Record<string, RegExp>> = {
  quickstart: /^INPUT_INVALID: .*must end with "\.md"$/m,
  "routing-predicate": /^LICENSE: router "sort" sent its message nowhere$/m,
  "routing-union": /^ 194\.35 € {2}in all$/m,
  "fanout-join": /gzipped: \d+/,
  "map-concurrent": /^\d+ files, at most 4 at once$/m,
  "controller-multihop": /^ {2}docs\/learn\/1-first-flow\.md → .*\.md$/m,
  budget: /^spent \d+ of 12 pages, [\d.]+ of 90 kilobytes$/m,
  "partial-failure": /^1 of 3 birds, 6 requests$/m,
  partitions: /^y-2: a box with a sledge, shipped$/m,
  "reliability-middleware": /^27 × gentoo$/m,
  conversation: /^9 lines in the log, 1 turn refused$/m,
  "playbook-retrieval": /^docs\/\w+\/[\w-]+\.md$/m,
  "metadata-propagation": /^boston .*\$1,348\.50/m,
  "routing-policy": /^stranger {2}fast: \d+ bytes$/m,
  visualizer: /^flowchart LR$/m,
  "traceable-errors": /^too new: NODE_EXCEPTION at node "raise", attempt 2$/m,
  "streaming-llm": /\(WebSocket\)\n {2}\w/,
  steering: /^to Maria: \d+ pages, \d+ words$/m,
  "status-updates": /^\d+ links, \d+ of them broken$/m,
  "cancel-and-deadlines": /^undisturbed: completed, 99991$/m,
  testing: /^ok {2}nothing is left behind$/m,
  "simulate-your-flow": /^ {14}in spite of \d+ faults of \d\d kinds$/m,
  orchestrator: /^Cannot take the note "": /m,
  "history-and-bus": /^on the bus: o-1 ice axe, 8900 cents$/m,
  "durable-agent": /^process 3 is told: docs\/guides takes \d+ kB$/m,
  "remote-agent": /^the agent: 1 completed, 1 cancelled, 0 open$/m,
  webhook: /^packed an ice axe\nshipped a box with an ice axe$/m,
  "agent-quickstart": /^completed: 3 model calls, 2 tool calls$/m,
  "agent-team": /^6 model calls and 6 tool calls of all three$/m,
  "ag-ui": /^agent: Your room is booked\.$/m,
  "agent-memory": /^anna: What is my name\?\n {2}Your name is Anna\.$/m,
  "agent-recall": /^tuesday, bob: .*\n {2}I know nothing about that\.$/m,
  "agent-mcp": /^4 model calls, 4 tool calls$/m,
  "agent-openapi": /^4 model calls, 3 tool calls$/m,
  cluster: /^all 900 orders are shipped, each once$/m,
  "open-questions": /^report 9 approved by Jo$/m,
  "tenant-fairness": /^noisy .* number 363 of 363$/m,
};

describe("examples as commands", { timeout: 60_000 }, () => {
  test("each example without tests of its own has its last words here", () => {
    const names = globSync("*/main.ts", { cwd: EXAMPLES }).map((file) => path.dirname(file));
    const without = names.filter((name) => !existsSync(path.join(EXAMPLES, name, "test")));
    expect(without.toSorted()).toEqual(Object.keys(LAST_WORDS).toSorted());
  });

  test.for(Object.entries(LAST_WORDS))("%s", async ([name, lastWords]) => {
    const { status, stdout, stderr } = await runExample(name);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(lastWords);
    // only the example's own log lines, without warnings of Node
    expect(stderr.replaceAll(/^WARN .*\n/gm, "")).toBe("");
  });

  test("an example says what is wrong with its arguments", async () => {
    const { status, stderr } = await runExample("visualizer", "png");
    expect(status).toBe(1);
    expect(stderr).toContain(`Cannot draw as "png": the formats are mermaid, dot, json`);
  });
});

test("the table has every example, and each says in its first lines how to run it", async () => {
  const table = await readFile(path.join(EXAMPLES, "README.md"), "utf8");
  for (const file of globSync("*/{main.ts,package.json}", { cwd: EXAMPLES })) {
    expect(table).toContain(`](${path.dirname(file)}`);
    if (!file.endsWith("main.ts")) continue;
    const text = await readFile(path.join(EXAMPLES, file), "utf8");
    expect(text.split("import ")[0]).toContain(`npm run example examples/${file}`);
  }
});
