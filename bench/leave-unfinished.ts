// Accepts traces, reports that, and waits to be killed: `leave-unfinished.ts <subject> <address> <traces>`.
import { acceptUnfinished, type CheckpointStores } from "./penguiflow-durable.ts";
import { loadSubject } from "./registry.ts";

const [subject, address, traces] = process.argv.slice(2) as [string, string, string];
const { checkpointStores } = await loadSubject(subject);
await acceptUnfinished(checkpointStores as CheckpointStores, address, Number(traces));
process.send!("accepted");
