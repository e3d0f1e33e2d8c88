import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { main } from "../src/main.ts";
import { projectFiles } from "../src/new/project-files.ts";
import { type Addition, ADDITIONS, type Template, TEMPLATES } from "../src/new/templates.ts";
import { fakeIo } from "./fake-io.ts";
import { Scratch } from "./scratch.ts";

const execute = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, "../../..");
const SOURCE = "--conditions=@penguiflow/source";

async function make(folder: string, ...args: string[]) {
  const io = fakeIo(folder);
  const status = await main(["new", ...args], io);
  return { status, printed: io.printed(), said: io.said() };
}

const ALL = Object.keys(ADDITIONS) as Addition[];

/** Parts of a package.json. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Lists the packages that a module imports, without Node's own. */
function packagesIn(text: string): string[] {
  const specifiers = [...text.matchAll(/^(?:import|export) (?:[^"]*? from )?"([^".][^"]*)";$/gms)].map(
    ([, name]) => name!,
  );
  return specifiers
    .filter((name) => !name.startsWith("node:"))
    .map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    );
}

/** Lists the packages of which a package demands that its user installs them. */
function peersOf(name: string): string[] {
  const file = path.join(ROOT, "node_modules", name, "package.json");
  const { peerDependencies = {}, peerDependenciesMeta = {} } = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  return Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true);
}

describe.for(Object.keys(TEMPLATES) as Template[])("a project of template %s", (template) => {
  test.for([
    ["by itself", ""],
    ["with all additions", ALL.join()],
  ] as const)("%s passes its tests, its types and its lint", { timeout: 240_000 }, async ([, additions]) => {
    using scratch = new Scratch();
    const wanted = additions === "" ? [] : ["--with", additions];
    expect(await make(scratch.folder, "mine", "-t", template, ...wanted, "--no-install", "-q")).toMatchObject({
      status: 0,
      said: "",
    });
    const folder = path.join(scratch.folder, "mine");
    await execute(process.execPath, [SOURCE, "--test"], {
      cwd: folder,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
    await execute(process.execPath, [tsc, "--customConditions", "@penguiflow/source"], { cwd: folder });
    const io = fakeIo(folder);
    expect([await main(["check", "--strict"], io), io.said()]).toEqual([0, ""]);
  });

  test("has at most twelve files beside documents", () => {
    const files = [...projectFiles(template, "mine").keys()].filter((file) => !file.startsWith("docs/"));
    expect(files.length).toBeLessThanOrEqual(12);
  });

  test.for(ALL)("keeps all its files with %s, which adds at most four", (addition) => {
    const [without, all] = [projectFiles(template, "mine"), projectFiles(template, "mine", [addition])];
    expect(all.size).toBeLessThanOrEqual(without.size + 4);
    without.delete("package.json");
    for (const [file, text] of without) expect([file, all.get(file)]).toEqual([file, text]);
  });

  test.for(ALL)("declares every package that it imports with %s, and every package that these need", (addition) => {
    const files = projectFiles(template, "mine", [addition]);
    const { dependencies, devDependencies } = JSON.parse(files.get("package.json")!) as Manifest;
    const declared = new Set(Object.keys({ ...dependencies, ...devDependencies }));
    const imported = [...files].flatMap(([file, text]) => (file.endsWith(".ts") ? packagesIn(text) : []));
    // npm installs peers that are left out; other package managers do not
    expect([...imported, ...[...declared].flatMap(peersOf)].filter((name) => !declared.has(name))).toEqual([]);
    // imports of the program itself must be there without the development packages
    const shipped = [...files].flatMap(([file, text]) => (/^src\/.*\.ts$/.test(file) ? packagesIn(text) : []));
    expect(shipped.filter((name) => dependencies?.[name] === undefined)).toEqual([]);
  });

  test("has the versions of this workspace", () => {
    const files = projectFiles(template, "mine", ALL);
    const { name, dependencies, devDependencies } = JSON.parse(files.get("package.json")!) as Manifest & {
      readonly name: string;
    };
    expect(name).toBe("mine");
    for (const [needed, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      const manifest = readFileSync(path.join(ROOT, "node_modules", needed, "package.json"), "utf8");
      expect([needed, version]).toEqual([needed, (JSON.parse(manifest) as { version: string }).version]);
    }
  });
});

test("an addition that is unknown is refused with the nearest name, and nothing is written", async () => {
  using scratch = new Scratch();
  const { status, said } = await make(scratch.folder, "mine", "--with", "agui,durabl", "--no-install");
  expect(status).toBe(2);
  expect(said).toContain('got "durabl"; did you mean "durable"?');
  expect(existsSync(path.join(scratch.folder, "mine"))).toBe(false);
});

test("the agent of a new project answers a second message, too", async () => {
  using scratch = new Scratch();
  await make(scratch.folder, "mine", "--no-install", "-q");
  const folder = path.join(scratch.folder, "mine");
  for (const [asked, answered] of [
    ["Where is order 4471?", "Order 4471 is on its way, with you on Tuesday.\n"],
    ["And order 4472?", "Order 4472 is delivered.\n"],
  ] as const) {
    const io = fakeIo(folder);
    expect([await main(["run", asked], io), io.printed()]).toEqual([0, answered]);
  }
  const approved = fakeIo(folder, { answers: ["y"] });
  expect([await main(["run", "Refund order 4471"], approved), approved.printed()]).toEqual([
    0,
    "Order 4471 is paid back.\n",
  ]);
  const rejected = fakeIo(folder, { answers: ["no, it was worn"] });
  expect([await main(["run", "Refund order 4471"], rejected), rejected.printed()]).toEqual([
    0,
    "Nothing is paid back.\n",
  ]);
  expect(rejected.said()).toContain("was denied: it was worn");
});

test("files that exist stay: without --force nothing is written, with it what is missing", async () => {
  using scratch = new Scratch({ "mine/README.md": "mine" });
  const refused = await make(scratch.folder, "mine", "--no-install");
  expect(refused).toMatchObject({ status: 3 });
  expect(refused.said).toContain("README.md");
  expect(existsSync(path.join(scratch.folder, "mine/package.json"))).toBe(false);
  expect(await make(scratch.folder, "mine", "--no-install", "--force", "--json")).toMatchObject({ status: 0 });
  expect(readFileSync(path.join(scratch.folder, "mine/README.md"), "utf8")).toBe("mine");
  expect(existsSync(path.join(scratch.folder, "mine/package.json"))).toBe(true);
});

test("--dry-run lists the files and writes none", async () => {
  using scratch = new Scratch();
  const { printed } = await make(scratch.folder, "mine", "--dry-run");
  expect(printed).toContain("  package.json\n");
  expect(existsSync(path.join(scratch.folder, "mine"))).toBe(false);
});

test("a name that npm does not take is refused, and nothing is written", async () => {
  using scratch = new Scratch();
  const { status, said } = await make(scratch.folder, "My Agent", "--no-install");
  expect(status).toBe(2);
  expect(said).toContain('"My Agent" is no name for a package');
  expect(existsSync(path.join(scratch.folder, "My Agent"))).toBe(false);
});
