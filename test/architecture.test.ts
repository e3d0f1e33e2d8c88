import path from "node:path";
import { describe, expect, test } from "vitest";
import { files, read } from "../scripts/workspace.ts";

/** The folders of the core. Each may import those above it, and itself. */
const layers = [
  "foundation",
  "message",
  "events",
  "ports",
  "graph",
  "queue",
  "engine",
  "flow",
  "patterns",
  "history",
  "memory",
  "adapter",
  "durable",
  "lint",
  "testing",
  "threads",
];

/** The layers with entry points of their own: the contents of the main one come before them. */
const apart = ["adapter", "durable", "lint", "testing", "threads"];
/** A layer for Node alone. */
const forNode = "threads";

/** Files of the core that may use Node's own modules, and why. The core runs in browsers. */
const nodeModulesAllowed: Readonly<Record<string, string>> = {
  "packages/core/src/patterns/routing-policy.ts": "reads a policy from a file, and loads the module only then",
};

const mayUseNode = (file: string): boolean => layerOf(file) === forNode || file in nodeModulesAllowed;

const forbiddenNames = new Set(["utils", "helpers", "common", "types", "manager"]);

interface SourceFile {
  /** Path relative to the root of the repository. */
  readonly file: string;
  readonly text: string;
}

/** A rule: returns the violations in a set of files, one line each. */
type Rule = (sources: readonly SourceFile[]) => string[];

const load = (pattern: string): SourceFile[] => files(pattern).map((file) => ({ file, text: read(file) }));

/** Lists the imports of a file, as written. The formatter keeps every import in this shape. */
function importsOf({ text }: SourceFile): string[] {
  const statements = text.matchAll(/^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"([^"]+)"/gm);
  const calls = text.matchAll(/^(?!\s*(?:\*|\/\/)).*\bimport\("([^"]+)"\)/gm);
  return [...statements, ...calls].map(([, specifier = ""]) => specifier);
}

const resolve = (source: SourceFile, specifier: string): string =>
  path.posix.join(path.posix.dirname(source.file), specifier);

const each =
  (find: (source: SourceFile) => string[]): Rule =>
  (sources) =>
    sources.flatMap((source) => find(source).map((problem) => `${source.file}: ${problem}`));

const layerOf = (file: string): string => file.split("/")[3] ?? "";

const keepsToItsLayer = each((source) => {
  const own = layers.indexOf(layerOf(source.file));
  // index.ts at the top re-exports the public API, without the test-only layers
  const highest = source.file === "packages/core/src/index.ts" ? layers.indexOf(apart[0] ?? "") - 1 : own;
  if (highest === -1) return [`Folder "${layerOf(source.file)}" has no place among the layers`];
  return importsOf(source)
    .filter((specifier) => specifier.startsWith("."))
    .filter((specifier) => {
      const wanted = layers.indexOf(layerOf(resolve(source, specifier)));
      return wanted === -1 || wanted > highest || (wanted < own && apart.includes(layers[wanted] ?? ""));
    })
    .map((specifier) => `Cannot import "${specifier}": it is not above "${layers[highest]}"`);
});

/** The folders of a layer. Each may import those before it; the files beside them put the parts together. */
const foldersOf: Readonly<Record<string, readonly string[]>> = {
  engine: ["policies", "state", "observe", "admission", "delivery", "results", "termination", "context", "loop"],
  durable: ["form", "store", "traces"],
};

const placeInLayer = (file: string): number => {
  const [, , , layer = "", folder = ""] = file.split("/");
  return foldersOf[layer]?.indexOf(folder) ?? -1;
};

const keepsToItsPlaceInItsLayer = each((source) => {
  const own = placeInLayer(source.file);
  if (own === -1) return [];
  return importsOf(source)
    .filter((specifier) => layerOf(resolve(source, specifier)) === layerOf(source.file))
    .filter((specifier) => placeInLayer(resolve(source, specifier)) > own)
    .map((specifier) => `Cannot import "${specifier}": it is not above "${source.file.split("/")[4]}"`);
});

const engineFile = "packages/core/src/engine/engine.ts";
const knowsTheEngine = (file: string): boolean =>
  file.startsWith("packages/core/src/flow/") ||
  file.startsWith("packages/core/src/testing/simulation/") ||
  file === "packages/core/src/index.ts" ||
  file === "packages/core/src/engine/flow-stats.ts";

const knowsNoEngine = each((source) =>
  knowsTheEngine(source.file)
    ? []
    : importsOf(source)
        .filter((specifier) => resolve(source, specifier) === engineFile)
        .map((specifier) => `Cannot import "${specifier}": name the parts that are needed in an interface instead`),
);

/** Writes of fields that belong to the records of `engine/state`: each changes through a method of its record. */
const writesState =
  /(?<!this)\.(?:state|slot|inRing|isOpen|live|joined|fetching) (?:[+-])?= |\b(?:worker|target|attempt\.worker)\.(?:running|parked|lingering|zombies) (?:[+-])?= /g;

const writesNoState = each((source) =>
  source.file.startsWith("packages/core/src/engine/state/") || !/^(?:engine|durable)$/.test(layerOf(source.file))
    ? []
    : [...source.text.matchAll(writesState)].map(
        ([found]) => `Cannot write "${found.trim()}": call a method of the record that owns the field`,
      ),
);

/** A function literal that is assigned to a property, which V8 allocates among the objects that live long. */
const longLived = /\.#?\w+ (?:\?\?|&&|\|\|)?= (?:async )?(?:function\b|(?:\([^()]*\)|\w+)(?:: [^=;\n]+)? =>)/g;

const keepsTracesYoung = each(({ text }) =>
  [...text.matchAll(longLived)].map(
    ([found]) => `Cannot assign a function in "${found.trim()}": name it first, or pass it as an argument`,
  ),
);

const standsAlone = each((source) =>
  importsOf(source)
    .filter((specifier) => !specifier.startsWith("."))
    .filter((specifier) => !(specifier.startsWith("node:") && mayUseNode(source.file)))
    .map((specifier) => `Cannot import "${specifier}": the core has no dependencies and runs in browsers`),
);

/** The largest circle of files that import each other, types counted: three records may point at each other. */
const largestCircle = 3;

/** Finds circles of files that import each other's types or values (strongly connected components: Tarjan 1972). */
const hasNoWideCircles: Rule = (sources) => {
  const graph = new Map(
    sources.map((source) => [source.file, importsOf(source).map((specifier) => resolve(source, specifier))]),
  );
  const indexes = new Map<string, number>();
  const lowest = new Map<string, number>();
  const trail: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): void => {
    const index = indexes.size;
    indexes.set(file, index);
    lowest.set(file, index);
    trail.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next)) continue;
      if (!indexes.has(next)) visit(next);
      if (trail.includes(next)) lowest.set(file, Math.min(lowest.get(file) ?? 0, lowest.get(next) ?? 0));
    }
    if (lowest.get(file) === index) circles.push(trail.splice(trail.indexOf(file)));
  };
  for (const file of graph.keys()) if (!indexes.has(file)) visit(file);
  return circles
    .filter((circle) => circle.length > largestCircle)
    .map((circle) => `${circle.length} files import each other: ${circle.join(", ")}`);
};

/**
 * Finds cycles among the imports that remain at run time: in a cycle, the result depends on which file is loaded first.
 */
const hasNoCycles: Rule = (sources) => {
  const graph = new Map(
    sources.map(({ file, text }) => {
      const source = { file, text: text.replaceAll(/^(?:import|export) type\b/gm, "") };
      return [file, importsOf(source).map((specifier) => resolve(source, specifier))];
    }),
  );
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
    else if (!finished.has(file)) for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
};

const isWellNamed = each(({ file }) => {
  const name = path.posix.basename(file).split(".")[0] ?? "";
  if (forbiddenNames.has(name)) return ["Name says nothing: name the file after its main export"];
  return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ? [] : [`Name must be kebab-case: got "${name}"`];
});

const dependsOnNothing = each(({ text }) =>
  Object.keys(JSON.parse(text) as object)
    .filter((key) => /^(?!dev).*dependencies/i.test(key))
    .map((key) => `Remove "${key}": the core has no dependencies`),
);

const namesNoPlace = each(({ text }) =>
  [
    ...text.matchAll(
      /(?<![\w.])\/(?:work|home|root|Users)\/[\w.-]+|registry\.[a-z0-9-]+\.[a-z]+|"resolved": "https?:[^"]*"/g,
    ),
  ].map(([found]) => `Cannot name "${found}": it exists on one machine only, or is not ours to choose`),
);

const runsEveryTest = each(({ text }) =>
  [
    ...text.matchAll(
      /\b(?:describe|it|test|suite)(?:\.\w+)*\.(?:skip|only|todo|fails|(?:skip|run)If(?!\(process\.platform\b))\b/g,
    ),
  ].map(([found]) => `Cannot keep "${found}": every test runs`),
);

/** Folders whose comments keep to the rules of language in CONTRIBUTING.md. */
const wellWorded = [
  "scripts",
  "bench",
  "examples",
  "test",
  "{apps,packages}/*/src",
  "{apps,packages}/*/test",
  "{apps,packages}/*/test-integration",
  "{apps,packages}/*/test-browser",
];

/** Extracts the comments of a file without their marks. Consecutive `//` lines are one comment. */
function commentsOf({ text }: SourceFile): string[] {
  const blocks = text.matchAll(/(?<!\S)\/\*([^]*?)\*\//g);
  const lines = text.matchAll(/^[^\S\n]*(\/\/.*(?:\n[^\S\n]*\/\/.*)*)/gm);
  const tails = text.matchAll(/^(?!\s*(?:\/\/|\*)).*\S\s+(\/\/ .*)/gm);
  return [...blocks, ...lines, ...tails].map(([, comment = ""]) =>
    comment.replaceAll(/^[^\S\n]*(?:\*+|\/\/) ?/gm, "").trim(),
  );
}

const excerptOf = (comment: string): string => (comment.split("\n")[0] ?? "").slice(0, 80);

const beginsWell = each((source) =>
  commentsOf(source)
    .filter((comment) => /^(?:what|how|where|which|why|who|whose|those|whoever|nobody|somebody)\b/i.test(comment))
    .map((comment) => `Begin with a verb, a noun phrase or "Whether": got "${excerptOf(comment)}"`),
);

const namesItsActors = each((source) =>
  commentsOf(source)
    .map((comment) => /^.*\b(?:whoever|nobody|somebody|anybody|those\s+who)\b.*$/im.exec(comment))
    .filter((found) => found !== null)
    .map(([line]) => `Name the actor: got "${excerptOf(line)}"`),
);

const itself = "test/architecture.test.ts";
const core = load("packages/core/src/**/*.ts");
const tests = load("{test,{apps,packages}/*/test,examples/*/test}/**/*.ts").filter(({ file }) => file !== itself);
const commented = load(`{${wellWorded.join(",")}}/**/*.{js,jsx,mjs,ts,tsx}`);
const own = "packages/core/src/queue/channel.ts";

/** Each rule with what it is applied to, and with an offence that proves it is awake. */
const rules: ReadonlyArray<
  readonly [sentence: string, rule: Rule, sources: readonly SourceFile[], offence: readonly SourceFile[]]
> = [
  [
    "a folder of the core imports only folders above it",
    keepsToItsLayer,
    core,
    [{ file: own, text: 'import type { Trace } from "../engine/state/trace.ts";' }],
  ],
  [
    "a folder of the core is one of the layers",
    keepsToItsLayer,
    core,
    [{ file: "packages/core/src/misc/thing.ts", text: "" }],
  ],
  [
    "the core does not publish its test kit with the runtime",
    keepsToItsLayer,
    core,
    [{ file: "packages/core/src/index.ts", text: 'export { runOne } from "./testing/run-one.ts";' }],
  ],
  [
    "the core does not publish what only Node can run with the runtime",
    keepsToItsLayer,
    core,
    [{ file: "packages/core/src/index.ts", text: 'export { threadNode } from "./threads/thread-node.ts";' }],
  ],
  [
    "what is published apart does not import what else is",
    keepsToItsLayer,
    core,
    [{ file: "packages/core/src/threads/a.ts", text: 'import { TestClock } from "../testing/test-clock.ts";' }],
  ],
  [
    "the core imports neither packages nor Node's modules",
    standsAlone,
    core,
    [{ file: own, text: 'export const load = () =>\n  import("node:fs");' }],
  ],
  [
    "a folder of the engine imports only folders above it",
    keepsToItsPlaceInItsLayer,
    core,
    [
      {
        file: "packages/core/src/engine/state/a.ts",
        text: 'import type { Dispatch } from "../loop/dispatch.ts";',
      },
    ],
  ],
  [
    "a folder of durable flows imports only folders above it",
    keepsToItsPlaceInItsLayer,
    core,
    [
      {
        file: "packages/core/src/durable/store/a.ts",
        text: 'import type { FailedTraces } from "../traces/failed-traces.ts";',
      },
    ],
  ],
  [
    "only the flow and the simulation know the engine as a whole",
    knowsNoEngine,
    core,
    [{ file: "packages/core/src/engine/loop/a.ts", text: 'import type { Engine } from "../engine.ts";' }],
  ],
  [
    "no function is assigned to a property where it is written: what it knows would outlive young collections",
    keepsTracesYoung,
    [...core, ...load("packages/planner/src/**/*.ts")],
    [{ file: own, text: "attempt.onReturned ??= (result): void => this.#goOn(result);" }],
  ],
  [
    "only the records of the engine write their fields",
    writesNoState,
    core,
    [{ file: "packages/core/src/engine/loop/a.ts", text: "attempt.state = State.OVER;" }],
  ],
  [
    "at most three files import each other, types counted",
    hasNoWideCircles,
    load("{apps,packages}/*/src/**/*.ts"),
    ["a", "b", "c", "d"].map((name, index, names) => ({
      file: `packages/core/src/queue/${name}.ts`,
      text: `import type { X } from "./${names[(index + 1) % names.length]}.ts";`,
    })),
  ],
  [
    "no files import each other in a circle at run time",
    hasNoCycles,
    load("{apps,packages}/*/src/**/*.ts"),
    [
      { file: "packages/core/src/queue/a.ts", text: 'import {\n  b,\n} from "./b.ts";' },
      { file: "packages/core/src/queue/b.ts", text: 'export { a } from "./a.ts";' },
    ],
  ],
  [
    "a file is named after what it holds",
    isWellNamed,
    load("{scripts,test,{apps,packages}/*/src,{apps,packages}/*/test,examples/*/src,examples/*/test}/**/*.{ts,mjs}"),
    [{ file: "packages/core/src/queue/utils.ts", text: "" }],
  ],
  ["a file name is kebab-case", isWellNamed, [], [{ file: "packages/core/src/queue/fairQueue.ts", text: "" }]],
  [
    "the core depends on nothing",
    dependsOnNothing,
    load("packages/core/package.json"),
    [{ file: "packages/core/package.json", text: '{ "peerDependencies": { "zod": "4" } }' }],
  ],
  [
    "no file names a machine's folder or a package registry",
    namesNoPlace,
    load("{**/*.{ts,mjs,js,json,md,yml,yaml,txt},.*.json,.ci/*,.changeset/*}").filter(({ file }) => file !== itself),
    [{ file: "docs/learn/start.md", text: "Open /home/ada/penguiflow" }],
  ],
  [
    "no test is skipped, focused or left for later, unless a platform lacks what it is about",
    runsEveryTest,
    tests,
    [{ file: "packages/core/test/flow.test.ts", text: 'test.skip("later", () => {});' }],
  ],
  [
    "a comment begins with a verb, a noun phrase or Whether",
    beginsWell,
    commented,
    [{ file: own, text: "/**\n * Where\n * a channel ends.\n */" }],
  ],
  ["a comment behind code begins so, too", beginsWell, [], [{ file: own, text: "close();\t// how it ends" }]],
  [
    "a comment names its actors",
    namesItsActors,
    commented,
    [{ file: own, text: "// Ends the wait.\n// It serves those\n// who wait." }],
  ],
];

describe("the architecture", () => {
  test.for(rules)("%s", ([, rule, sources, offence]) => {
    expect(rule(offence), "the rule must notice an offence").not.toEqual([]);
    expect(rule(sources)).toEqual([]);
  });

  test("is looked at, not past", () => {
    expect(core.length).toBeGreaterThan(20);
    expect(tests.length).toBeGreaterThan(0);
    expect(core.flatMap(importsOf).length).toBeGreaterThan(core.length);
    expect(commented.flatMap(commentsOf).length).toBeGreaterThan(commented.length);
  });
});
