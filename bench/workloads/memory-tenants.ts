import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Closable, Timing, Workload } from "../contract.ts";
import { makeTexts, type Question } from "../memory/texts.ts";

export interface TenantsSetup {
  readonly tenants: number;
  readonly texts: readonly string[];
}

/** A service whose tenants have the same texts, each in a file of its own. */
export interface TenantsRig extends Closable {
  /** Opens the service with so many of its tenants, and closes the one before. */
  open(tenants: number): Promise<void>;
  find(tenant: number, question: Question): Promise<readonly string[]>;
  /** Lets time pass until every tenant is idle. */
  rest(): Promise<void>;
}

const TENANTS = 1_000;
const TEXTS = 1_000;
const ASKED = 1_000;

/** Returns the 95th percentile of the processor time of a retrieve, in microseconds. */
async function p95(rig: TenantsRig, questions: readonly Question[], tenantAt: (at: number) => number): Promise<number> {
  let found = 0;
  const spent: number[] = [];
  for (const [at, question] of questions.entries()) {
    const before = process.threadCpuUsage();
    const texts = await rig.find(tenantAt(at), question);
    const { user, system } = process.threadCpuUsage(before);
    spent.push(user + system);
    if (texts.includes(question.about)) found += 1;
  }
  if (found < questions.length / 2) throw new Error(`Wrong answers: ${found} of ${questions.length} found their text`);
  return spent.toSorted((one, other) => one - other)[Math.floor(spent.length * 0.95)]!;
}

/** Returns the resident memory in kilobytes once garbage is collected and what was freed has been given back. */
async function residentKb(): Promise<number> {
  // the engine gives back pages of its heap some seconds after a collection
  for (let time = 0; time < 30; time += 1) {
    globalThis.gc?.();
    await sleep(500);
    const { heapTotal, heapUsed } = process.memoryUsage();
    if (time >= 3 && heapTotal < 2 * heapUsed) break;
  }
  if (process.platform !== "linux") return process.memoryUsage.rss() / 1_000;
  // without pages of files, which the kernel takes back
  return (Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1_024) / 1_000;
}

export const workloads: readonly Workload<TenantsSetup, TenantsRig>[] = [
  {
    name: "memory-tenants-1000",
    family: "memoryTenants",
    title: "retrieves of 1,000 tenants of 1,000 texts by turns beside those of one; memory of each once all are idle",
    figures: [
      { name: "p95 × of one", better: "less" },
      { name: "p95 CPU µs", better: "less" },
      { name: "idle kB", better: "less" },
    ],
    setup: { tenants: TENANTS, texts: makeTexts(TEXTS, 0).texts },
    subjects: ["memory-service"],
    bars: [
      { of: "memory-service", atMost: 2 },
      { of: "memory-service", figure: "idle kB", atMost: 100 },
    ],
    async measure(rig, _: Timing) {
      const { questions } = makeTexts(TEXTS, ASKED);
      await rig.open(1);
      await p95(rig, questions, () => 0);
      const one = await p95(rig, questions, () => 0);
      await rig.rest();
      const before = await residentKb();
      await rig.open(TENANTS);
      // each tenant in turn: the next one is always the one that was not used for longest
      await p95(rig, questions, (at) => at % TENANTS);
      const all = await p95(rig, questions, (at) => at % TENANTS);
      await rig.rest();
      const idle = ((await residentKb()) - before) / (TENANTS - 1);
      const figures = { "p95 × of one": all / one, "p95 CPU µs": all, "idle kB": idle };
      return { figures, requests: ASKED, processorShare: 1, processorUs: all };
    },
  },
];
