// Builds the pages of `penguiflow dev`: rolldown bundles the code, one file for each screen; style sheets are joined;
// of the fonts only the Latin part of what is used is copied. Everything lands in one folder that any server can serve.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown, type OutputChunk } from "rolldown";
import { files, read, root } from "./workspace.ts";

const source = "packages/playground/src";

/** Most bytes of code that the first page may load, with gzip. */
const FIRST_PAGE_LIMIT = 60 * 1024;

const fonts: ReadonlyArray<readonly [family: string, file: string]> = [
  ["Inter Variable", "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2"],
  ["JetBrains Mono Variable", "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2"],
];

/** Packages whose code or fonts are in the page: their licences go along. */
const carried = [
  "@dagrejs/dagre",
  "@fontsource-variable/inter",
  "@fontsource-variable/jetbrains-mono",
  "@preact/signals",
  "@preact/signals-core",
  "marked",
  "preact",
];

/** A built page. */
export interface PageBuild {
  /** Absolute paths of all written files. */
  readonly written: readonly string[];
  /** Bytes of code that the first page loads, with gzip. */
  readonly firstPageBytes: number;
  /** Bytes of everything that the first page loads, fonts included. */
  readonly transferredBytes: number;
}

/**
 * Builds the pages into a folder, which is emptied first.
 *
 * @throws Error when the code of the first page is larger than 60 kB with gzip
 */
export async function buildPage(folder: string): Promise<PageBuild> {
  rmSync(folder, { recursive: true, force: true });
  const assets = path.join(folder, "assets");
  mkdirSync(assets, { recursive: true });
  const written: string[] = [];
  const write = (name: string, content: string | Uint8Array): string => {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    written.push(file);
    return `/${name}`;
  };

  const chunks = await bundleCode(assets);
  written.push(...chunks.map((chunk) => path.join(assets, chunk.fileName)));
  const fontPlaces = fonts.map(([family, file]) => {
    const content = readFileSync(createRequire(import.meta.url).resolve(file));
    return { family, place: write(`assets/${hashed(path.basename(file), content)}`, content), content };
  });
  const styles = `${fontPlaces.map(fontFace).join("")}${styleSheets()}`;
  const style = write(`assets/${hashed("page.css", styles)}`, styles);
  const first = firstPage(chunks);
  const page = read(`${source}/index.html`).replace(
    /^.*<!-- styles and scripts -->.*$/m,
    [
      ...fontPlaces.map(
        ({ place }) => `    <link rel="preload" href="${place}" as="font" type="font/woff2" crossorigin />`,
      ),
      `    <link rel="stylesheet" href="${style}" />`,
      ...first.slice(1).map((chunk) => `    <link rel="modulepreload" href="/assets/${chunk.fileName}" />`),
      `    <script type="module" src="/assets/${first[0]?.fileName}"></script>`,
    ].join("\n"),
  );
  write("index.html", page);
  copyFileSync(path.join(root, "site/logo.svg"), path.join(folder, "mark.svg"));
  written.push(path.join(folder, "mark.svg"));
  write("licenses.txt", carried.map(licence).join("\n\n"));

  const firstPageBytes = first.reduce((sum, chunk) => sum + gzipSync(chunk.code).length, 0);
  if (firstPageBytes > FIRST_PAGE_LIMIT) {
    throw new Error(`The first page is too large: at most ${FIRST_PAGE_LIMIT} bytes of code, got ${firstPageBytes}`);
  }
  const rest = fontPlaces.reduce(
    (sum, font) => sum + font.content.length,
    gzipSync(styles).length + gzipSync(page).length,
  );
  return { written, firstPageBytes, transferredBytes: firstPageBytes + rest };
}

async function bundleCode(folder: string): Promise<OutputChunk[]> {
  const bundler = await rolldown({
    input: { page: path.join(root, source, "main.tsx") },
    platform: "browser",
    tsconfig: false,
    transform: { target: "es2024", jsx: { runtime: "automatic", importSource: "preact" } },
  });
  const { output } = await bundler.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name]-[hash].js",
    chunkFileNames: "[name]-[hash].js",
    minify: true,
    // parts that every screen needs come in one file: many small ones cost a round trip each
    codeSplitting: {
      groups: [{ name: "shared", test: /playground\/src\/(api|store|routing|parts|forms)\/|node_modules\/@?preact/ }],
    },
  });
  await bundler.close();
  return output.filter((file) => file.type === "chunk");
}

/** Lists the code that the first page loads: the entry, the chat, and all that both import. */
function firstPage(chunks: readonly OutputChunk[]): OutputChunk[] {
  const first = chunks.filter((chunk) => chunk.isEntry || chunk.name === "chat-screen");
  for (const chunk of first) {
    for (const name of chunk.imports) {
      const imported = chunks.find((item) => item.fileName === name);
      if (imported !== undefined && !first.includes(imported)) first.push(imported);
    }
  }
  return first;
}

/** Joins the style sheets: tokens, then what holds for the whole page, then the rest by name. */
function styleSheets(): string {
  const rank = (file: string): number => ["look/tokens.css", "look/base.css"].findIndex((end) => file.endsWith(end));
  const order = (file: string): number => (rank(file) === -1 ? 2 : rank(file));
  return files(`${source}/**/*.css`)
    .sort((one, other) => order(one) - order(other))
    .map((file) =>
      read(file)
        .replaceAll(/\/\*.*?\*\//gs, "")
        .replaceAll(/\s*\n\s*/g, "\n"),
    )
    .join("");
}

function fontFace({ family, place }: { readonly family: string; readonly place: string }): string {
  return `@font-face{font-family:"${family}";font-weight:100 900;font-display:swap;src:url(${place}) format("woff2")}\n`;
}

/** Puts a hash of the content into a file's name. */
function hashed(name: string, content: string | Uint8Array): string {
  const { name: base, ext } = path.parse(name);
  return `${base}-${createHash("sha256").update(content).digest("base64url").slice(0, 8)}${ext}`;
}

function licence(name: string): string {
  const places = ["packages/playground/node_modules", "node_modules"].flatMap((folder) =>
    ["LICENSE", "LICENSE.md"].map((file) => path.join(root, folder, name, file)),
  );
  const file = places.find((place) => existsSync(place));
  if (file === undefined) throw new Error(`Cannot find the licence of "${name}": expected one of ${places.join(", ")}`);
  return `${name}\n\n${readFileSync(file, "utf8").trim()}`;
}
