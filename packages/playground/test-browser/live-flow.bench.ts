// Measures the live page of a flow with 50 nodes and 67 edges at about a thousand events a second, beside the same page
// at rest: frames, processor time of the main thread, its tasks and heap. It prints figures and asserts nothing, since
// machines differ; trust the ratio and the processor time.
// node --conditions=@penguiflow/source packages/playground/test-browser/live-flow.bench.ts [seconds] [traces a second]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser, CDPSession } from "playwright-core";
import { buildPage } from "../../../scripts/build-page.ts";
import { openBrowser } from "./browser.ts";
import { openStage } from "./stage.ts";

interface Measured {
  readonly framesPerSecond: number;
  /** Milliseconds between frames, sorted. */
  readonly frames: readonly number[];
  /** Part of a processor that the main thread used. */
  readonly mainThread: number;
  /** Processor milliseconds of its longest task. */
  readonly longestTask: number;
  readonly heapBefore: number;
  readonly heapAfter: number;
  readonly events: string;
}

/** Runs in the page: resolves with the milliseconds between its frames. */
const FRAMES = `(ms) => new Promise((resolve) => {
  const found = [];
  let last = performance.now();
  const end = last + ms;
  requestAnimationFrame(function frame(now) {
    found.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(frame);
    else resolve(found.slice(1));
  });
})`;

const length = Number(process.argv[2] ?? 20);
const rate = Number(process.argv[3] ?? 64);
const folder = mkdtempSync(path.join(tmpdir(), "penguiflow-page-"));
const browser = await openBrowser();
try {
  await buildPage(folder);
  const rest = await measure(browser, "/flows/support", Math.min(length, 20));
  const busy = await measure(browser, "/flows/wide", length);
  const at = (part: number): string => (busy.frames[Math.floor(part * (busy.frames.length - 1))] ?? 0).toFixed(1);
  const lines = {
    "events a second": busy.events,
    "frames a second": `${busy.framesPerSecond.toFixed(1)}, at rest ${rest.framesPerSecond.toFixed(1)}: ratio ${(busy.framesPerSecond / rest.framesPerSecond).toFixed(2)}`,
    "frame p50, p95, worst": `${at(0.5)}, ${at(0.95)}, ${at(1)} ms`,
    "main thread": `${(busy.mainThread * 100).toFixed(1)} % of a processor, at rest ${(rest.mainThread * 100).toFixed(1)} %`,
    "longest task": `${busy.longestTask.toFixed(1)} ms of processor time`,
    "heap after collection": `${busy.heapBefore.toFixed(1)} MB, ${2 * length} s later ${busy.heapAfter.toFixed(1)} MB`,
  };
  for (const [name, value] of Object.entries(lines)) console.log(`${name.padEnd(24)}${value}`);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(opened: Browser, place: string, seconds: number): Promise<Measured> {
  const look = { theme: "dark", isMotionReduced: false } as const;
  await using stage = await openStage(opened, folder, { path: place, load: { perSecond: rate }, ...look });
  const { page, complaints } = stage;
  const devtools = await page.context().newCDPSession(page);
  await page.waitForSelector(".node");
  // the layout library is loaded and the first drawing is done
  await page.waitForTimeout(5_000);
  const heapBefore = await heapOf(devtools);
  const tasks = await recordTasks(opened, async () => {
    await page.waitForTimeout(seconds * 1_000);
  });
  const frames = await page.evaluate<number[]>(`(${FRAMES})(${seconds * 1_000})`);
  const heapAfter = await heapOf(devtools);
  const events = (await page.textContent(".figures > div:last-child dd")) ?? "";
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  return {
    framesPerSecond: frames.length / seconds,
    frames: frames.toSorted((a, b) => a - b),
    mainThread: tasks.reduce((sum, ms) => sum + ms, 0) / (seconds * 1_000),
    longestTask: Math.max(0, ...tasks),
    heapBefore,
    heapAfter,
    events,
  };
}

async function heapOf(devtools: CDPSession): Promise<number> {
  await devtools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  return usedSize / 1e6;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of processor time. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** Records the tasks of the page's main thread, in milliseconds of processor time: those of other programs do not count. */
async function recordTasks(opened: Browser, during: () => Promise<void>): Promise<number[]> {
  const devtools = await opened.newBrowserCDPSession();
  const events: TraceEvent[] = [];
  devtools.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await devtools.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel"] },
  });
  await during();
  const { promise, resolve } = Promise.withResolvers<void>();
  devtools.once("Tracing.tracingComplete", () => resolve());
  await devtools.send("Tracing.end");
  await promise;
  await devtools.detach();
  const threads = new Map<string, number>();
  const names = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  for (const { pid, tid } of names) threads.set(`${pid} ${tid}`, 0);
  const tasks = events.filter(
    ({ ph, name, pid, tid }) => ph === "X" && name === "ThreadControllerImpl::RunTask" && threads.has(`${pid} ${tid}`),
  );
  // other pages have a main thread, too: that of this page is the busiest
  for (const { pid, tid, tdur = 0 } of tasks) threads.set(`${pid} ${tid}`, (threads.get(`${pid} ${tid}`) ?? 0) + tdur);
  const [busiest] = [...threads].sort((a, b) => b[1] - a[1]);
  return tasks.filter(({ pid, tid }) => `${pid} ${tid}` === busiest?.[0]).map(({ tdur = 0 }) => tdur / 1_000);
}
