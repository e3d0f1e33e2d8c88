// Runs one subject on one workload in a process of its own: `one-run.ts <subject> <workload> <timing as JSON>`.
import type { Closable, Reply, Timing } from "./contract.ts";
import { installedVersion, loadSubject, loadWorkloads } from "./registry.ts";

async function run(subjectName: string, workloadName: string, timing: Timing): Promise<Reply> {
  const workload = (await loadWorkloads()).find(({ name }) => name === workloadName);
  if (workload === undefined) throw new Error(`Cannot run workload "${workloadName}": it does not exist`);
  const subject = await loadSubject(subjectName);
  const version = subject.library === undefined ? undefined : installedVersion(subject.library);
  const build = subject[workload.family];
  if (typeof build !== "function") {
    const reason = subject.cannot?.[workload.family];
    if (reason !== undefined) return { version, note: undefined, result: reason };
    throw new Error(`Subject "${subjectName}" neither builds "${workload.family}" nor says why it cannot`);
  }
  const rig = (await build(workload.setup)) as Closable | string;
  if (typeof rig === "string") return { version, note: undefined, result: rig };
  try {
    return { version, note: rig.note, result: await workload.measure(rig, timing) };
  } finally {
    await rig.close();
  }
}

const [subjectName, workloadName, timing] = process.argv.slice(2) as [string, string, string];
// exits explicitly: handles that a library leaves open would keep the process alive
process.send!(await run(subjectName, workloadName, JSON.parse(timing) as Timing), () => process.exit());
