// Accepts traces, reports that, and waits to be killed: `leave-unfinished.ts <subject> <address> <traces>`.
import { acceptUnfinished, type Journals } from "./penguiflow-durable.ts";
import { loadSubject } from "./registry.ts";

const [subject, address, traces] = process.argv.slice(2) as [string, string, string];
const { journals } = await loadSubject(subject);
await acceptUnfinished(journals as Journals, address, Number(traces));
process.send!("accepted");
