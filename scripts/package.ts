// What a user gets: packs every published package as npm would, has publint and attw judge it, installs it into an
// empty folder, imports every entry point with plain Node and compiles a program against its types.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { bin, conclude, publishedPackages, root, run } from "./workspace.ts";

/** What `npm pack --json` says of an archive. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: ReadonlyArray<{ readonly path: string }>;
}

/** Types as a browser project sees them: nothing of Node, and no error in a declaration goes unseen. */
const consumerConfig = {
  compilerOptions: {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    module: "NodeNext",
    target: "ES2024",
    lib: ["ES2024", "ESNext.Disposable", "DOM"],
    types: [],
  },
  files: ["consumer.ts"],
};

const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
const problems: string[] = [];
const summary: string[] = [];
// Outside the repository, where nothing but the package itself can be found.
const desk = await mkdtemp(path.join(os.tmpdir(), "penguiflow-package-"));

async function must(what: string, command: string, ...args: string[]): Promise<string> {
  const { status, output } = await run(command, args, { cwd: desk });
  if (status !== 0) problems.push(`${what} fails:\n${output.trimEnd()}`);
  return output;
}

function writeOnDesk(file: string, content: unknown): void {
  writeFileSync(path.join(desk, file), typeof content === "string" ? content : JSON.stringify(content));
}

for (const { folder, name, manifest } of publishedPackages()) {
  const project = path.join(root, folder);
  const { messages, pkg } = await publint({ pkgDir: project, strict: true });
  for (const message of messages) problems.push(`${folder}/package.json: ${formatMessage(message, pkg)}`);

  const packing = await must(`Packing "${name}"`, "npm", "pack", project, "--json", ...quiet);
  const [packed] = JSON.parse(/^\[.*^\]/ms.exec(packing)?.[0] ?? "[]") as Packed[];
  if (packed === undefined) continue;
  for (const { path: file } of packed.files) {
    if (/\.test\.|(^|\/)\./.test(file)) problems.push(`Package "${name}" must not ship "${file}"`);
  }
  const archive = path.join(desk, packed.filename);
  await must(`attw on "${name}"`, bin("attw"), archive, "--profile", "esm-only", "--no-emoji", "--no-color");

  // what it stands beside comes from here, too: nothing is asked of a registry
  const peers = Object.keys(manifest.peerDependencies ?? {}).map((peer) => path.join(root, "node_modules", peer));
  const packedPeers = peers.length === 0 ? "" : await must("Packing its peers", "npm", "pack", ...peers, ...quiet);
  const archives = [archive, ...packedPeers.split("\n").filter((line) => line.endsWith(".tgz"))];
  writeOnDesk("package.json", { private: true, type: "module" });
  await must(`Installing "${name}"`, "npm", "install", "--offline", ...quiet, ...archives);
  const entries = Object.entries(manifest.exports ?? {})
    .filter(([, target]) => typeof target !== "string")
    .map(([subpath]) => path.posix.join(name, subpath));
  const imports = entries.map(
    (entry, index) => `import * as entry${index} from "${entry}";\nconsole.log(entry${index});`,
  );
  writeOnDesk("consumer.ts", imports.join("\n"));
  const exported = await must(`Importing "${name}" in an empty folder`, process.execPath, "consumer.ts");
  if (/^\[Module: null prototype\] \{\s*\}$/m.test(exported))
    problems.push(`An entry point of "${name}" exports nothing`);
  writeOnDesk("tsconfig.json", consumerConfig);
  await must(`Compiling against the types of "${name}"`, bin("tsc"), "--project", desk);
  const installed = path.join(desk, "node_modules", name);
  for (const page of packed.files.map((file) => file.path).filter((file) => /^(docs\/.*\.md|llms\.txt)$/.test(file))) {
    for (const [, target = ""] of readFileSync(path.join(installed, page), "utf8").matchAll(/\]\(([^)#:]+)[^):]*\)/g)) {
      if (!existsSync(path.resolve(installed, path.dirname(page), target))) {
        problems.push(`Package "${name}": "${page}" has a link that leads nowhere: "${target}"`);
      }
    }
  }
  const kilobytes = (packed.size / 1000).toFixed(0);
  summary.push(`${name}: ${packed.files.length} files, ${kilobytes} kB packed, imports as ${entries.join(" and ")}`);
}

await rm(desk, { recursive: true });
conclude(problems, summary.join("\n"));
