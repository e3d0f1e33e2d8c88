// Conversations that outlast the process, in a file. A thread belongs to a tenant and a user: two users who call their
// thread alike do not see each other's. The last turns are shown whole, older ones as a summary.
//
//   npm run example examples/agent-memory/main.ts
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createPlanner } from "@penguiflow/planner";
import { SqliteLog } from "@penguiflow/state-sqlite";
import { modelOr } from "../agent-quickstart/model.ts";

/** The script knows a name if the prompt has one: "My name is …". */
const script: Parameters<typeof modelOr>[0] = ({ prompt }) => {
  const text = JSON.stringify(prompt);
  if (text.includes("Summarise") || text.includes("Summarize")) return "The user has told a name.";
  const [, name] = /My name is (\w+)/.exec(text) ?? [];
  return name === undefined ? "I do not know your name." : `Your name is ${name}.`;
};

/** Talks to the agent as two users, in two lives of the program. Returns what it answered. */
export async function main(): Promise<readonly string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "penguiflow-memory-"));
  const answers: string[] = [];
  try {
    for (const turns of [
      [
        ["anna", "My name is Anna"],
        ["ben", "What is my name?"],
      ],
      // another life: what was said before is in the file
      [["anna", "What is my name?"]],
    ] as const) {
      await using store = await SqliteLog.open({ file: path.join(folder, "threads.db") });
      await using planner = createPlanner({ name: "host", model: modelOr(script), memory: { store, turns: 3 } });
      planner.start();
      for (const [user, prompt] of turns) {
        const end = await planner.run(prompt, { tenant: "acme", user, thread: "main" });
        const answer = end.status === "completed" ? end.text : end.status;
        console.log(`${user}: ${prompt}\n  ${answer}`);
        answers.push(answer);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return answers;
}

if (import.meta.main) await main();
