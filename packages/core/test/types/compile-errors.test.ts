import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));

function tsc(...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(typescript, "bin", "tsc"), ...args],
      { cwd: root, maxBuffer: 1 << 26 },
      (_, stdout, stderr) => resolve(stdout + stderr),
    );
  });
}

const nodes = `
import { type Context, create, joinK, type Message, node, payloadNode, predicateRouter, shape, unionRouter } from "penguiflow";
import { same } from ${JSON.stringify(join(root, "packages/core/test/types/same.ts"))};
interface Question { readonly text: string }
interface Found { readonly hits: readonly number[] }
const search = payloadNode("search", async (_: Question): Promise<Found> => ({ hits: [] }));
const answer = node("answer", (message: Message<string>) => message.payload);
const count = payloadNode("count", (found: Found) => found.hits.length);
const flow = create(search.to(count));
const Shape = shape<{ kind: "circle"; radius: number } | { kind: "square"; side: number }>();
const circle = payloadNode("circle", (value: { kind: "circle"; radius: number }) => value.radius);
export const used = [search, answer, count, flow, Shape, circle, joinK, predicateRouter, unionRouter, same];
`;

/** Programs by name: code that is appended to the nodes above. */
const programs = {
  payloadToNode: `const made = node("len", (x: string) => x.length);\nconst it = create(made.to());\nit.run();\nvoid it.call("a").then((r) => r.toFixed());`,
  payloadToNodeWithPolicy: `node({ name: "len", policy: { maxRetries: 2 } }, async (x: string) => x.length);`,
  payloadToNodeTakenApart: `node("len", ({ text }: { text: string }) => text.length);`,
  nodesForEdges: `const it = create(search, count);\nit.run();\nvoid it.call({ text: "a" }).then((r) => r.toFixed());`,
  nodeForEdges: `const it = create(search);\nit.run();\nvoid it.call({ text: "a" }).then((r) => r.hits);`,
  wrongEdge: `const it = create(search.to(answer));\nit.run();\nvoid it.call({ text: "a" }).then((r) => r.toUpperCase());`,
  wrongChain: `const it = create(search.to(answer).to(count));\nit.run();\nvoid it.call({ text: "a" }).then((r) => r.toFixed());`,
  wrongOption: `const it = create(search.to(count), { queueMaxsize: 3 });\nit.run();\nvoid it.call({ text: "a" }).then((r) => r.toFixed());`,
  nameForNode: `const it = create(search.to("count"));\nit.run();`,
  noResources: `const look = payloadNode("look", (key: string, ctx: Context<{ index: Map<string, number> }>) => ctx.resources.index.get(key));\ncreate(look.to()).run();`,
  wrongReturn: `payloadNode({ name: "n", input: Shape, output: shape<number>() }, (x) => x.kind);`,
  wrongPolicy: `node({ name: "n", policy: { retries: 2 } }, (message: Message<string>) => message.payload);`,
  forgottenAwait: `const it = flow.call({ text: "a" });\nit.toFixed();`,
  sound: `create(search.to(count), { name: "x" });`,
  inline: `create(search.to(answer));`,
  variable: `const edges = search.to(answer);\ncreate(edges);`,
  chain: `create(answer.to(answer).to(count));`,
  fanOut: `create(search.to(count, answer));`,
  call: `void flow.call({ txt: "a" });`,
  target: `void flow.call({ text: "a" }, { to: "count" });`,
  router: `create(predicateRouter("pick", (_: Message<Found>) => ["count", "elsewhere"] as const).to(count));`,
  union: `create(unionRouter("draw", Shape).to(circle));`,
  join: `create(joinK("three", 3, { input: shape<Found>() }).to(payloadNode("two", (two: [Found, Found]) => two)));`,
  wrongType: `same<Awaited<ReturnType<typeof flow.call>>, string>();`,
  anyIsNotIt: `same<Awaited<ReturnType<typeof flow.call>>, any>();`,
  unneeded: `// @ts-expect-error nothing is wrong here\nvoid flow.call({ text: "a" });`,
};

let folder: string;
const errors = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "compile-"));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: { tsBuildInfoFile: null, noUnusedLocals: false, typeRoots: [join(root, "node_modules/@types")] },
      include: ["*.ts"],
      references: [],
    }),
  );
  for (const [name, program] of Object.entries(programs)) await writeFile(join(folder, `${name}.ts`), nodes + program);
  const output = await tsc("-p", folder, "--pretty", "false");
  let current: string | undefined;
  for (const line of output.split("\n")) {
    const start = /(\w+)\.ts\(\d+,\d+\): error/.exec(line);
    if (start !== null) current = start[1];
    if (current !== undefined) errors.set(current, `${errors.get(current) ?? ""}${line}\n`);
  }
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const errorOf = (name: keyof typeof programs): string => errors.get(name) ?? "";

test("what is sound compiles", () => {
  expect(errorOf("sound")).toBe("");
});

describe("an edge whose payloads do not fit is an error that names both nodes and both payloads", () => {
  test.each(["inline", "variable", "fanOut"] as const)("%s", (name) => {
    const text = errorOf(name);
    for (const part of ['"search"', '"answer"', "Found", "string"]) expect(text).toContain(part);
  });

  test("chain", () => {
    const text = errorOf("chain");
    for (const part of ['"answer"', '"count"', "Found", "string"]) expect(text).toContain(part);
  });

  test("in few lines", () => {
    for (const name of ["inline", "variable", "chain", "fanOut"] as const) {
      const text = errorOf(name);
      expect(text.trim().split("\n").length).toBeLessThanOrEqual(10);
      expect(text.length).toBeLessThan(1_500);
    }
  });

  test("at the very node that does not fit, once", () => {
    for (const name of ["inline", "variable", "chain", "fanOut"] as const)
      expect(errorOf(name).match(/: error TS/g)).toHaveLength(1);
  });
});

describe("the most likely first mistake is one readable error, and brings no others:", () => {
  test.each<[mistake: string, name: keyof typeof programs, leadsTo: string]>([
    ["a handler of a payload given to node", "payloadToNode", "for a handler of the payload alone use payloadNode"],
    ["the same with a policy", "payloadToNodeWithPolicy", "for a handler of the payload alone use payloadNode"],
    ["the same with its payload taken apart", "payloadToNodeTakenApart", "use payloadNode"],
    ["nodes where edges are wanted", "nodesForEdges", "write search.to(next), or search.to() for a node alone"],
    ["a node alone where an edge is wanted", "nodeForEdges", "write search.to(next), or search.to() for a node alone"],
    ["a wrong edge of a flow that is used", "wrongEdge", '"answer"'],
    ["a wrong edge at the head of a chain", "wrongChain", '"answer"'],
    ["an option that is misspelt", "wrongOption", "'queueMaxSize'"],
    ["a name where a node is wanted", "nameForNode", "NodeAccepting<Found"],
    ["resources that are not given", "noResources", "{ index: Map<string, number>; }"],
    ["a return that does not fit the output schema", "wrongReturn", "HandlerResult<number>"],
    ["a policy's option that is unknown", "wrongPolicy", "'retries'"],
    ["a forgotten await", "forgottenAwait", "Promise<number>"],
  ])("%s", (_, name, leadsTo) => {
    const text = errorOf(name);
    expect(text).toContain(leadsTo);
    expect(text.match(/: error TS/g)).toHaveLength(1);
    expect(text.trim().split("\n").length).toBeLessThanOrEqual(10);
  });
});

describe("other errors say what is wrong", () => {
  test("a wrong input names the property", () => {
    expect(errorOf("call")).toMatch(/txt|text/);
  });

  test("a node that is no entry names it and the entries", () => {
    expect(errorOf("target")).toContain('"count"');
    expect(errorOf("target")).toContain('"search"');
  });

  test("a router that chooses what it is not connected to names the target", () => {
    expect(errorOf("router")).toMatch(/MissingTargets|not connected/);
    expect(errorOf("router")).toContain('"elsewhere"');
    expect(errorOf("router")).not.toContain('MissingTargets<"count"');
  });

  test("a union router that forgets a variant names it", () => {
    expect(errorOf("union")).toContain('"square"');
    expect(errorOf("union")).toMatch(/MissingTargets|not connected/);
    expect(errorOf("union")).not.toContain('MissingTargets<"circle"');
  });

  test("a join whose group does not fit shows both tuples", () => {
    expect(errorOf("join")).toMatch(/\[Found, Found, Found\]/);
    expect(errorOf("join")).toMatch(/\[two: Found, Found\]|\[Found, Found\]/);
  });
});

describe("the type tests can fail", () => {
  test("a wrong expectation does not compile", () => {
    expect(errorOf("wrongType")).toMatch(/error TS/);
    expect(errorOf("anyIsNotIt")).toMatch(/error TS/);
    expect(errorOf("unneeded")).toMatch(/Unused '@ts-expect-error' directive/);
  });

  test("and the workspace's type check reads them", async () => {
    const listed = await tsc("-p", root, "--listFilesOnly");
    for (const name of ["edges", "calls", "schemas", "patterns"])
      expect(listed).toContain(`packages/core/test/types/${name}.test-d.ts`);
  }, 60_000);
});
