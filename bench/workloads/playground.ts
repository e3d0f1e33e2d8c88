import type { Browser } from "playwright-core";
import { openBrowser } from "../../packages/playground/test-browser/browser.ts";
import type { Closable, Workload } from "../contract.ts";
import { memoryOf } from "../../scripts/cluster/descendants.ts";
import { median } from "../report.ts";

/** A development server with a page, for a project with one agent that has one tool. */
export interface PlaygroundRig extends Closable {
  /** Starts the server. Resolves with its process once it tells of the agent's tool. */
  start(): Promise<number>;
  /** Address of its first page. */
  readonly url: string;
  /** Text of the page once a person can use it. */
  readonly usable: string;
  /** Changes the tool's description in the source. Resolves once the server tells of the new one. */
  save(): Promise<void>;
}

const SAVES = 5;
/** Time in which a server comes to rest before its memory is measured. */
const REST_MS = 5_000;

const passed = async (act: () => Promise<unknown>): Promise<number> => {
  const at = performance.now();
  await act();
  return performance.now() - at;
};

/** Loads a page in an empty cache. Gives what was transferred, headers included, and when a person sees and uses it. */
async function visit(browser: Browser, { url, usable }: PlaygroundRig) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  let bytes = 0;
  devtools.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  await devtools.send("Network.enable");
  const usableMs = await passed(async () => {
    await page.goto(url, { waitUntil: "commit" });
    await page.getByText(usable).first().waitFor();
  });
  const paintMs = await page.evaluate<number>(
    `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN`,
  );
  await page.waitForLoadState("networkidle");
  await context.close();
  return { bytes, paintMs, usableMs };
}

export const workloads: readonly Workload<undefined, PlaygroundRig>[] = [
  {
    name: "playground",
    family: "playground",
    title: "the development server of a project with one agent, and its first page in Chromium",
    figures: [
      { name: "page kB", better: "less" },
      { name: "first paint ms", better: "less" },
      { name: "usable ms", better: "less" },
      { name: "start ms", better: "less" },
      { name: "save ms", better: "less" },
      { name: "idle MB", better: "less" },
    ],
    setup: undefined,
    subjects: ["penguiflow", "mastra-studio"],
    bars: [
      { figure: "page kB", atLeast: 10, than: ["mastra-studio"] },
      { figure: "first paint ms", atLeast: 8, than: ["mastra-studio"] },
      { figure: "start ms", atLeast: 20, than: ["mastra-studio"] },
      { figure: "save ms", atLeast: 20, than: ["mastra-studio"] },
      { figure: "idle MB", atLeast: 10, than: ["mastra-studio"] },
    ],
    async measure(rig) {
      const browser = await openBrowser();
      if (browser === undefined) throw new Error("No Chromium is installed: apt-get install chromium");
      try {
        const began = performance.now();
        const pid = await rig.start();
        const startMs = performance.now() - began;
        const { bytes, paintMs, usableMs } = await visit(browser, rig);
        const saves: number[] = [];
        for (let save = 0; save < SAVES; save += 1) saves.push(await passed(() => rig.save()));
        await new Promise((resolve) => setTimeout(resolve, REST_MS));
        const figures = {
          "page kB": bytes / 1_000,
          "first paint ms": paintMs,
          "usable ms": usableMs,
          "start ms": startMs,
          "save ms": median(saves),
          "idle MB": memoryOf(pid) / 1e6,
        };
        return { figures, requests: SAVES, processorShare: 1 };
      } finally {
        await browser.close();
      }
    },
  },
];
