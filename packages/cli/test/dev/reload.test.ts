import { writeFileSync } from "node:fs";
import path from "node:path";
import type { FeedItem, ProjectView, Reload, RunStarted, RunView } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

/** Code of a flow that answers with a word. */
const answers = (word: string, more = ""): string => `
import { create, payloadNode } from "penguiflow";
${more}
export const flow = create(payloadNode("say", (_: string) => ${JSON.stringify(word)}).to(), { name: "says" });
`;

type Reloaded = Extract<FeedItem, { readonly type: "reload" }>;
type Overlaid = Extract<FeedItem, { readonly type: "overlay" }>;

const isReload = (item: FeedItem): item is Reloaded => item.type === "reload";
const isOverlay = (item: FeedItem): item is Overlaid => item.type === "overlay";

/** Saves files, and returns the load that they cause. */
async function saved(project: DevProject, files: Readonly<Record<string, string>>): Promise<Reload> {
  const { generation } = project.server.supervisor;
  const isNext = (item: FeedItem): item is Reloaded => item.type === "reload" && item.reload.generation > generation;
  return (await project.feed(() => project.scratch.write(files), isNext)).reload;
}

/** Runs the flow and returns its answer. */
async function said(project: DevProject): Promise<unknown> {
  const { runId } = (await project.api<RunStarted>("POST", "/flows/says/runs", { input: "" })).body;
  await project.follow("says", runId);
  return (await project.api<RunView>("GET", `/runs/says/${runId}`)).body.results[0];
}

test("a save is loaded beside the old code and takes over; of an imported file, too", async () => {
  await using project = await DevProject.start({
    "src/flows.ts": answers("x").replace('"x"', "WORD").replace("import", 'import { WORD } from "./word.ts";\nimport'),
    "src/word.ts": 'export const WORD = "one";',
  });
  expect(await said(project)).toBe("one");
  const reload = await saved(project, { "src/word.ts": 'export const WORD = "two";' });
  expect(reload).toMatchObject({ generation: 2, files: ["src/word.ts"], draining: 0 });
  expect(await said(project)).toBe("two");
});

test("code that does not load is shown with its place, and the last good code goes on until it loads again", async () => {
  await using project = await DevProject.start({ "src/flows.ts": answers("good") });
  const broken = answers("bad", 'throw new Error("broken", { cause: new Error("the cause") });');
  const { overlay } = await project.feed(() => project.scratch.write({ "src/flows.ts": broken }), isOverlay);
  expect(overlay).toMatchObject({
    message: "broken",
    causes: ["the cause"],
    hasGoodCode: true,
    place: { file: "src/flows.ts", line: 3 },
  });
  expect(overlay?.frame?.lines.join("\n")).toContain('throw new Error("broken"');
  expect((await project.api<ProjectView>("GET", "/project")).body).toMatchObject({
    state: "broken",
    overlay: { message: "broken" },
  });
  expect(await said(project)).toBe("good");
  const mended = await project.feed(() => project.scratch.write({ "src/flows.ts": answers("mended") }), isOverlay);
  expect(mended.overlay).toBeUndefined();
  expect(await said(project)).toBe("mended");
});

test.for([
  ["enum Colour { RED }", /erasableSyntaxOnly/],
  ['import { missing } from "./missing";', /needs its ending/],
  ['import { left } from "left-out";', /npm install left-out/],
] as const)("the way out is told: %s", async ([code, hint]) => {
  await using project = await DevProject.start({ "src/flows.ts": answers("x", code) });
  const { state, overlay } = (await project.api<ProjectView>("GET", "/project")).body;
  expect(state).toBe("broken");
  expect(overlay).toMatchObject({ hasGoodCode: false, hint: expect.stringMatching(hint) as string });
});

test("a missing file that is saved repairs the code that imports it", async () => {
  await using project = await DevProject.start({ "src/flows.ts": answers("x", 'import "./later.ts";') });
  await saved(project, { "src/later.ts": "" });
  expect(await said(project)).toBe("x");
});

test("of 20 saves in a row the last one is used, and no older one takes over after it", async () => {
  await using project = await DevProject.start({ "src/flows.ts": answers("save 0") });
  const file = path.join(project.scratch.folder, "src/flows.ts");
  const reloads: number[] = [];
  await project.feed(
    async () => {
      for (let save = 1; save <= 20; save += 1) {
        writeFileSync(file, answers(`save ${save}`));
        // lets the watcher see each one
        await project.api("GET", "/project");
      }
    },
    (item): item is FeedItem => {
      if (item.type === "reload") reloads.push(item.reload.generation);
      return item.type === "reload";
    },
  );
  let last = await said(project);
  // a save that was seen late is still loading
  while (last !== "save 20") {
    await project.feed(() => {}, isReload);
    last = await said(project);
  }
  expect(last).toBe("save 20");
  expect(reloads.length).toBeLessThan(20);
});

test("runs of the old code end in it, new ones go to the new code; what does not end is stopped, and told so", async () => {
  const waits = (word: string): string => `
    import { existsSync } from "node:fs";
    import { create, payloadNode } from "penguiflow";
    const say = payloadNode("say", async (input: string, ctx) => {
      await ctx.emitChunk({ text: "begun" });
      while (input === "long" || (input === "short" && !existsSync("gate"))) await ctx.sleep(20);
      return "${word}";
    });
    export const flow = create(say.to(), { name: "says" });`;
  await using project = await DevProject.start({ "src/flows.ts": waits("old") });
  const begin = async (input: string): Promise<string> => {
    const { runId } = (await project.api<RunStarted>("POST", "/flows/says/runs", { input })).body;
    await project.follow("says", runId, (item) => ("parts" in item ? item.parts.length > 0 : item.type === "part"));
    return runId;
  };
  const [short, long] = [await begin("short"), await begin("long")];
  const reload = await saved(project, { "src/flows.ts": waits("new") });
  expect(reload.draining).toBe(2);
  project.scratch.write({ gate: "open" });
  expect(await said(project)).toBe("new");
  const ends = await Promise.all([short, long].map(async (id) => (await project.follow("says", id)).at(-1)));
  expect(ends).toMatchObject([{ run: { state: "completed", output: "old" } }, { run: { state: "stopped" } }]);
});

test("a process that crashes is shown, and its runs are lost", async () => {
  await using project = await DevProject.start({
    "src/flows.ts": `
      import { create, payloadNode } from "penguiflow";
      const say = payloadNode("say", async (_: string, ctx) => {
        setImmediate(() => {
          throw new Error("out of the blue");
        });
        await ctx.sleep(600_000);
      });
      export const flow = create(say.to(), { name: "says" });`,
  });
  const begin = async () => (await project.api<RunStarted>("POST", "/flows/says/runs", { input: "crash" })).body.runId;
  let runId = "";
  const { overlay } = await project.feed(async () => void (runId = await begin()), isOverlay);
  expect(overlay?.message).toBe("out of the blue");
  const items = await project.follow("says", runId);
  expect(items.at(-1)).toMatchObject({ type: "end", run: { state: "lost" } });
});

test("secrets of .env are masked in what is kept and printed, and the file overrides nothing", async () => {
  await using project = await DevProject.start(
    {
      ".env": "SHOP_API_KEY=very-secret-value\nDB_URL=postgres://me:hidden-pass@host/db\nPATH=/nowhere\nCITY=Bergen\n",
      "src/flows.ts": `
        import { create, payloadNode } from "penguiflow";
        const { SHOP_API_KEY, DB_URL, CITY, PATH } = process.env;
        export const flow = create(payloadNode("say", () => ({ SHOP_API_KEY, DB_URL, CITY, isKept: PATH !== "/nowhere" })).to(), { name: "says" });`,
    },
    undefined,
  );
  expect(await said(project)).toEqual({
    SHOP_API_KEY: "••••(SHOP_API_KEY)",
    DB_URL: "postgres://me:••••(DB_URL)@host/db",
    CITY: "Bergen",
    isKept: true,
  });
});
