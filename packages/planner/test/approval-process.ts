// Runs a planner that waits for an approval, tells the token, and stays until it is killed.
import { appendFileSync } from "node:fs";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { approvalPlanner } from "./approval-planner.ts";

const [checkpoints = "", written = ""] = process.argv.slice(2);
const store = await SqliteCheckpointStore.open({ file: checkpoints });
const { planner } = approvalPlanner(store, (text) => appendFileSync(written, `${text}\n`));
planner.start();
const result = await planner.run("Write", { user: "bea", runId: "r" });
console.log(`token ${result.status === "paused" ? result.questions[0]?.token : JSON.stringify(result)}`);
setInterval(() => {}, 1000);
