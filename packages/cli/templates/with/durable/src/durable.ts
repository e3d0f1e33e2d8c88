// Keeps what it has accepted in .penguiflow/checkpoints.db: kill it at any instant, start it again, and the run goes on
// where it was. A run that is asked for again with its id finds its outcome.
//
//   npm run durable -- id "…"
import { mkdirSync } from "node:fs";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { durable } from "penguiflow/durable";
import { runOptions, textFlow } from "./subject.ts";

/** Starts the flow with its checkpoint store. */
export async function open(file: string) {
  const checkpoints = await SqliteCheckpointStore.open({ file });
  const running = textFlow.start({ ...runOptions, durability: durable({ checkpoints }) });
  const { resumed } = await running.ready();
  return {
    /** Number of runs that an earlier process has left. */
    resumed,
    /** Runs a text once for each id, in whatever process. */
    async answer(id: string, text: string): Promise<string> {
      return await running.call(text, { id, keepMs: 86_400_000 });
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      await checkpoints.close();
    },
  };
}

if (import.meta.main) {
  mkdirSync(".penguiflow", { recursive: true });
  await using running = await open(".penguiflow/checkpoints.db");
  const [id = "first", text = ""] = process.argv.slice(2);
  console.error(`${running.resumed} runs go on`);
  console.log(await running.answer(id, text));
}
