// The packages as users get them: packed by npm, installed into an empty folder, and used there by the programs of
// test/package and examples/web.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { type Package, read, root, run } from "./workspace.ts";

/** Fields that `npm pack --json` reports for an archive. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: ReadonlyArray<{ readonly path: string }>;
}

/** Dependency fields of a package.json. */
interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Compiler options of a strict browser project: no types of Node, and every declaration file is checked. */
const strict = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  target: "ES2024",
  lib: ["ES2024", "ESNext.Disposable", "DOM", "DOM.Iterable"],
  types: [],
};

/** Module resolutions: Node's and the bundlers'. */
const resolutions = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "bundler" },
};

/** Output of `consumer.ts`. */
const consumed = [
  "19 penguins|swim|well| failed NODE_EXCEPTION 0 function",
  "42",
  "12",
  "true",
  "kept read NODE_EXCEPTION",
];

const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

/** Lists the folders of packages and of all their dependencies, as the workspace has them. */
function withDependencies(names: readonly string[]): string[] {
  const all = new Set(names);
  // a Set also visits elements added while it is iterated, so this reaches transitive dependencies
  for (const name of all) {
    const { dependencies, optionalDependencies } = JSON.parse(read(`node_modules/${name}/package.json`)) as Needs;
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) all.add(needed);
  }
  return [...all].map((name) => path.join(root, "node_modules", name));
}

/** Temporary folder outside the repository, where only installed packages resolve. Deleted on disposal. */
export class Installed implements Disposable {
  readonly folder: string = mkdtempSync(path.join(os.tmpdir(), "penguiflow-installed-"));
  /** Problems found in the packages. */
  readonly problems: string[] = [];

  constructor() {
    this.write("package.json", { private: true, type: "module" });
  }

  write(file: string, content: unknown): void {
    writeFileSync(path.join(this.folder, file), typeof content === "string" ? content : JSON.stringify(content));
  }

  /** Runs a program in the folder and returns its output. A failure is recorded as a problem. */
  async must(what: string, command: string, ...args: string[]): Promise<string> {
    const { status, output } = await run(command, args, { cwd: this.folder, timeoutMs: 120_000 });
    if (status !== 0) this.problems.push(`${what} fails:\n${output.trimEnd()}`);
    return output;
  }

  /** Packs a package and installs it. */
  async install({ folder, name, manifest }: Package): Promise<Packed | undefined> {
    const packing = await this.must(`Packing "${name}"`, "npm", "pack", path.join(root, folder), "--json", ...quiet);
    const [packed] = JSON.parse(/^\[.*^\]/ms.exec(packing)?.[0] ?? "[]") as Packed[];
    if (packed === undefined) return undefined;
    // Peer dependencies come from the workspace as well; its own packages are installed already.
    const peers = withDependencies(
      Object.keys(manifest.peerDependencies ?? {}).filter((peer) => peer !== "penguiflow"),
    );
    const packedPeers =
      peers.length === 0
        ? ""
        : await this.must("Packing its peers", "npm", "pack", "--ignore-scripts", ...peers, ...quiet);
    const archives = [packed.filename, ...packedPeers.split("\n").filter((line) => line.endsWith(".tgz"))];
    const paths = archives.map((archive) => path.join(this.folder, archive));
    await this.must(`Installing "${name}"`, "npm", "install", "--prefer-offline", ...quiet, ...paths);
    return packed;
  }

  /** Copies the programs that use the installed packages into the folder. */
  addPrograms(): void {
    for (const file of ["consumer.ts", "double.ts"]) {
      cpSync(path.join(root, "test/package", file), path.join(this.folder, file));
    }
    cpSync(path.join(root, "examples/web/app"), path.join(this.folder, "app"), { recursive: true });
    rmSync(path.join(this.folder, "app/tsconfig.json"));
  }

  /** Compiles the programs under each module resolution. `compiler` is the file that Node runs. */
  async compile(what: string, compiler: string): Promise<void> {
    for (const [name, resolution] of Object.entries(resolutions)) {
      const config = `tsconfig.${name}.json`;
      this.write(config, { compilerOptions: { ...strict, ...resolution }, include: ["*.ts", "app/*.ts"] });
      await this.must(`Compiling with ${what}, ${name}`, process.execPath, compiler, "--project", config);
    }
  }

  /** Runs the program that uses every entry point. */
  async consume(what: string, node: string): Promise<void> {
    const asUsed = `Using the packages on ${what}`;
    const output = await this.must(asUsed, node, "--disable-warning=ExperimentalWarning", "consumer.ts");
    const line = consumed.find((wanted) => !output.split("\n").includes(wanted));
    if (line !== undefined) this.problems.push(`${asUsed} must print "${line}", got:\n${output}`);
  }

  /**
   * Bundles a program of `app` for platforms without Node. Returns the file and its size in kB, minified and
   * compressed.
   */
  async bundle(entry: string): Promise<{ readonly file: string; readonly gzipKb: number }> {
    const file = path.join(this.folder, "app", entry.replace(/\.ts$/, ".js"));
    const bundler = await rolldown({
      input: path.join(this.folder, "app", entry),
      platform: "browser",
      tsconfig: false,
      onLog: (_, { message }) => {
        this.problems.push(`Bundling "${entry}": ${stripVTControlCharacters(message).split("\n")[0]}`);
      },
    });
    const { output } = await bundler.write({ file, format: "esm", codeSplitting: false, minify: true });
    await bundler.close();
    const [{ code, imports, dynamicImports }] = output;
    for (const name of [...imports, ...dynamicImports]) {
      this.problems.push(`The bundle of "${entry}" must run in a browser, but imports "${name}"`);
    }
    return { file, gzipKb: gzipSync(code, { level: 9 }).byteLength / 1_000 };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
