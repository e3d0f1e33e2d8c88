/** Leaves an idle thread and a running flow behind: the process must nevertheless end once the work is done. */
import { create } from "penguiflow";
import { threadModule, threadNode, ThreadPool } from "penguiflow/threads";
import type * as exported from "./tasks.ts";

const tasks = threadModule<typeof exported>(new URL("./tasks.ts", import.meta.url));
const flow = create(threadNode({ name: "double", module: tasks, run: "double" }).to()).run();
const result = await flow.call(21);
process.stdout.write(`${result}, ${ThreadPool.shared.stats().idle} idle\n`);
