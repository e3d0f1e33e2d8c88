import { execFile } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Closable, Workload } from "../contract.ts";

/** The package that is measured: that of a subject, or the planner. */
export interface PackageSetup {
  readonly isPlanner: boolean;
}

/** Entry point of a program that uses the subject. */
export interface PackageRig extends Closable {
  /** Module to import, as a package name or an absolute path. */
  readonly module: string;
  /** Exports that a program needs for the work of linear. */
  readonly names: readonly string[];
  /** Whether the bundle of all exports of the module is measured instead. @defaultValue false */
  readonly all?: boolean;
  /** Modules that the program has imported before, which do not count. @defaultValue none */
  readonly over?: readonly string[];
}

const runFile = promisify(execFile);
const here = path.join(import.meta.dirname, "..");
const imports = 9;

/** Measures the median time of a first `import`, each in a process of its own. */
async function importMs(module: string, over: readonly string[]): Promise<number> {
  const specifier = path.isAbsolute(module) ? pathToFileURL(module).href : module;
  const before = over.map((each) => `await import(${JSON.stringify(each)});`).join(" ");
  const program = `${before} const at = performance.now(); await import(${JSON.stringify(specifier)}); console.log(performance.now() - at); process.exit();`;
  const times: number[] = [];
  for (let round = 0; round < imports; round += 1) {
    const { stdout } = await runFile(process.execPath, ["--input-type=module", "--eval", program], { cwd: here });
    times.push(Number(stdout.trim().split("\n").at(-1)));
  }
  return times.toSorted((a, b) => a - b)[imports >> 1]!;
}

/** Measures the size of a bundle for Node, minified and compressed. */
async function gzipKb(module: string, names: string, over: readonly string[]): Promise<number> {
  // imported late, because workloads are listed before the peers are installed
  const esbuild = await import("esbuild-wasm");
  const contents = `export ${names} from ${JSON.stringify(module)};`;
  const { outputFiles } = await esbuild.build({
    stdin: { contents, resolveDir: here },
    bundle: true,
    external: [...over],
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    logLevel: "silent",
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).byteLength / 1_000;
}

function package_(
  name: string,
  title: string,
  setup: PackageSetup,
  rest: Pick<Workload, "bars" | "subjects">,
): Workload<PackageSetup, PackageRig> {
  return {
    name,
    family: "package",
    title,
    figures: [
      { name: "import ms", better: "less" },
      { name: "gzip kB", better: "less" },
      { name: "needed gzip kB", better: "less" },
    ],
    setup,
    ...rest,
    async measure({ module, names, all = false, over = [] }) {
      const needed = await gzipKb(module, `{ ${names.join(", ")} }`, over);
      const figures = {
        "import ms": await importMs(module, over),
        "gzip kB": all ? await gzipKb(module, "*", over) : needed,
        "needed gzip kB": needed,
      };
      return { figures, requests: imports, processorShare: 1 };
    },
  };
}

export const workloads: readonly Workload<PackageSetup, PackageRig>[] = [
  package_(
    "package",
    "what a program pays that imports it (gzip kB: penguiflow all it exports, peers the names that linear needs)",
    { isPlanner: false },
    {
      bars: [
        { figure: "import ms", atMost: 25 },
        { figure: "gzip kB", atMost: 48 },
        { figure: "needed gzip kB", atMost: 28 },
      ],
    },
  ),
  package_(
    "package-planner",
    "what a program of penguiflow pays that imports the planner, too",
    { isPlanner: true },
    {
      subjects: ["penguiflow"],
      bars: [
        { figure: "import ms", atMost: 10 },
        { figure: "needed gzip kB", atMost: 12 },
      ],
    },
  ),
];
