// The packages as a user has them: packed as npm would, installed into an empty folder, and put to use there by the
// programs of test/package and examples/web.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { type Package, read, root, run } from "./workspace.ts";

/** What `npm pack --json` says of an archive. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: ReadonlyArray<{ readonly path: string }>;
}

/** What a package.json says is needed. */
interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Types as a browser project sees them: nothing of Node, and no error in a declaration goes unseen. */
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

/** How TypeScript finds modules: as Node does, and as bundlers do. */
const resolutions = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "bundler" },
};

/** What `consumer.ts` writes. */
const consumed = [
  "19 penguins|swim|well| failed NODE_EXCEPTION 0 function",
  "42",
  "12",
  "true",
  "kept read NODE_EXCEPTION",
];

const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

/** The folders of packages and of all they need, as the workspace has them. */
function withDependencies(names: readonly string[]): string[] {
  const all = new Set(names);
  // a set that grows is walked to its end
  for (const name of all) {
    const { dependencies, optionalDependencies } = JSON.parse(read(`node_modules/${name}/package.json`)) as Needs;
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) all.add(needed);
  }
  return [...all].map((name) => path.join(root, "node_modules", name));
}

/** A folder outside the repository, where nothing but what is installed can be found. It goes with `using`. */
export class Installed implements Disposable {
  readonly folder: string = mkdtempSync(path.join(os.tmpdir(), "penguiflow-installed-"));
  /** What is wrong with the packages. */
  readonly problems: string[] = [];

  constructor() {
    this.write("package.json", { private: true, type: "module" });
  }

  write(file: string, content: unknown): void {
    writeFileSync(path.join(this.folder, file), typeof content === "string" ? content : JSON.stringify(content));
  }

  /** Runs a program in the folder; its failure is a problem. Returns what it wrote. */
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
    // What it stands beside comes from here, too. The workspace's own is there already.
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

  /** Lays the programs into the folder that use what is installed. */
  addPrograms(): void {
    for (const file of ["consumer.ts", "double.ts"]) {
      cpSync(path.join(root, "test/package", file), path.join(this.folder, file));
    }
    cpSync(path.join(root, "examples/web/app"), path.join(this.folder, "app"), { recursive: true });
    rmSync(path.join(this.folder, "app/tsconfig.json"));
  }

  /** Compiles the programs, whichever way modules are found. `compiler` is the file that Node runs. */
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
    if (line !== undefined) this.problems.push(`${asUsed} does not write "${line}" but:\n${output}`);
  }

  /** Bundles a program of `app` for where there is no Node. Returns the file and its size in kB, minified and compressed. */
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
      this.problems.push(`The bundle of "${entry}" imports "${name}", which is not there in a browser`);
    }
    return { file, gzipKb: gzipSync(code, { level: 9 }).byteLength / 1_000 };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
