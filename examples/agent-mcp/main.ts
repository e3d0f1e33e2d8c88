// An agent that works on files through an MCP server: the one for file systems on npm, as a child process. It reads what
// it likes; before it writes, a person has to approve. Without a key a script plays the model: agent-quickstart/model.ts.
//
//   npm run example examples/agent-mcp/main.ts
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createPlanner } from "@penguiflow/planner";
import { mcpTools } from "@penguiflow/tools-mcp/client";
import { modelOr } from "../agent-quickstart/model.ts";

const require = createRequire(import.meta.url);
const program = require.resolve("@modelcontextprotocol/server-filesystem/dist/index.js");

const NOTES = { "monday.txt": "Ping has ordered ice.\n", "tuesday.txt": "The ice has melted. Order again!\n" };

/** The files that the agent may work on, and those that it has left. */
export interface Worked {
  readonly answer: string;
  readonly files: Readonly<Record<string, string>>;
}

/** The script lists the folder, reads both notes at once, and writes what they say into a third file. */
const scriptFor = (folder: string): Parameters<typeof modelOr>[0] => {
  const at = (name: string) => path.join(folder, name);
  return ({ prompt, index }) => {
    if (index === 0) return { calls: [{ tool: "files_list_directory", args: { path: folder } }] };
    if (index === 1)
      return {
        calls: Object.keys(NOTES).map((name) => ({ tool: "files_read_text_file", args: { path: at(name) } })),
      };
    if (index > 2) return "I have put both notes into summary.txt.";
    const has = JSON.stringify(prompt);
    const notes = Object.values(NOTES).filter((text) => has.includes(text.trim()));
    return { calls: [{ tool: "files_write_file", args: { path: at("summary.txt"), content: notes.join("") } }] };
  };
};

/** Lets the agent work in a folder of its own. `by` is the person who approves. */
export async function main(by = "maria"): Promise<Worked> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "agent-mcp-")));
  for (const [name, text] of Object.entries(NOTES)) await writeFile(path.join(folder, name), text);
  const files = mcpTools("files", {
    command: process.execPath,
    args: [program, folder],
    allow: ["list_directory", "read_text_file", "write_file"],
    effects: "reads",
    tools: { write_file: { effects: "idempotent", approval: true } },
  });
  try {
    await using planner = createPlanner({
      name: "archivist",
      model: modelOr(scriptFor(folder)),
      instructions: `You keep the notes in ${folder}. Write a summary into summary.txt there.`,
      tools: [files],
      budget: { steps: 8, toolCalls: 12 },
    });
    planner.start();
    let result = await planner.run("Sum up my notes", { tenant: "acme", user: "anna" });
    while (result.status === "paused") {
      const [question] = result.questions;
      if (question === undefined) break;
      console.log(`${question.reason} ${JSON.stringify(question.args)}? Yes, says ${by}`);
      result = await planner.resume(question.token, { approved: true }, { tenant: "acme", by });
    }
    for (const { calls } of result.steps)
      for (const { tool, output } of calls) console.log(`${tool}: ${JSON.stringify(output).slice(0, 100)}`);
    const answer = result.status === "completed" ? result.text : result.status;
    console.log(`${answer}\n\n${result.spent.steps} model calls, ${result.spent.toolCalls} tool calls`);
    const names = await readdir(folder);
    const texts = await Promise.all(names.map(async (name) => await readFile(path.join(folder, name), "utf8")));
    return { answer, files: Object.fromEntries(names.map((name, index) => [name, texts[index] ?? ""])) };
  } finally {
    await files.close();
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) await main(...process.argv.slice(2));
