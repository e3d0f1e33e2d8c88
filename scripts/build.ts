// `npm run build`: builds the published packages. The compiler writes one declaration file per source file. rolldown
// writes one code file per entry point and one for the code they share, since Node spends most of an import on finding
// files. Names stay as written. See docs/decisions/0009-bundles-and-threads.md.
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { rolldown } from "rolldown";
import { buildPage } from "./build-page.ts";
import { bin, files, type Package, publishedPackages, root, run } from "./workspace.ts";

/** Packages whose code goes into a bundle: the pages carry them anyway, with their licences. */
const carried: ReadonlySet<string> = new Set(["@dagrejs/dagre", "@dagrejs/graphlib"]);

/** Writes one file for each entry, a path in `src` without its ending, and `shared` for their common code. */
async function bundle(folder: string, entries: readonly string[], shared?: string): Promise<string[]> {
  const source = path.join(root, folder, "src");
  const dist = path.join(root, folder, "dist");
  const ofEntries = entries.map((entry) =>
    path.join(source, path.dirname(entry) === "." ? entry : path.dirname(entry)),
  );
  const isShared = (id: string): boolean =>
    !ofEntries.some((place) => id === `${place}.ts` || id.startsWith(place + path.sep));
  const bundler = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry, path.join(source, `${entry}.ts`)])),
    external: (id) => !id.startsWith(".") && !path.isAbsolute(id) && !carried.has(id),
    platform: "neutral",
    tsconfig: false,
    transform: { target: "es2024" },
    preserveEntrySignatures: "strict",
  });
  const { output } = await bundler.write({
    dir: dist,
    format: "esm",
    chunkFileNames: "[name].js",
    codeSplitting: shared === undefined ? true : { groups: [{ name: shared, test: isShared }] },
    minifyInternalExports: false,
    sourcemap: true,
    // the package contains the sources
    sourcemapExcludeSources: true,
  });
  await bundler.close();
  return output.map((file) => path.join(dist, file.fileName));
}

/** Bundles a package and returns the absolute paths of the written files. */
async function bundlePackage({ folder, name, manifest }: Package): Promise<Set<string>> {
  const targets = [
    ...Object.values(manifest.exports ?? {}).flatMap((target) => (typeof target === "string" ? [] : [target.default])),
    ...Object.values(manifest.bin ?? {}),
  ];
  const imported = targets
    .map((target) => path.posix.relative("dist", target).replace(/\.js$/, ""))
    .filter((entry) => !entry.startsWith(".."));
  const written = await bundle(folder, imported, imported.length > 1 ? path.posix.basename(name) : undefined);
  // The entry of a thread is bundled alone, because every thread loads it.
  for (const main of files(`${folder}/src/**/*-main.ts`)) {
    written.push(...(await bundle(folder, [path.posix.relative(`${folder}/src`, main).replace(/\.ts$/, "")])));
  }
  return new Set(written);
}

/** Builds the pages, and prints what the first one loads. */
async function bundlePages({ folder }: Package): Promise<readonly string[]> {
  const { written, firstPageBytes, transferredBytes } = await buildPage(path.join(root, folder, "dist/page"));
  process.stdout.write(
    `playground: the first page loads ${firstPageBytes} bytes of code, ${transferredBytes} with styles and fonts (gzip)\n`,
  );
  return written;
}

/** Removes leftovers of an earlier build: code that is not among `written`, and declarations without a source. */
async function removeOrphans({ folder }: Package, written: ReadonlySet<string>): Promise<void> {
  const dist = path.join(root, folder, "dist");
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const declared = /^(.*)\.d\.ts(\.map)?$/.exec(path.relative(dist, file))?.[1];
    const isCurrent =
      declared === undefined
        ? written.has(file)
        : [".ts", ".tsx"].some((end) => existsSync(path.join(root, folder, "src", `${declared}${end}`)));
    if (entry.isFile() && entry.name !== ".tsbuildinfo" && !isCurrent) await rm(file);
  }
}

const { status, output } = await run(bin("tsc"), ["-b", ...files("{apps,packages}/*/tsconfig.json")]);
process.stdout.write(output);
process.exitCode = status;
if (status === 0) {
  for (const item of publishedPackages()) {
    const written = await bundlePackage(item);
    if (item.name === "@penguiflow/playground") for (const file of await bundlePages(item)) written.add(file);
    await removeOrphans(item, written);
  }
}
