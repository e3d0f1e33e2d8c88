// Tests the packages as users get them: packs each published package, checks it with publint and attw, and installs it
// into an empty folder. There this Node imports and runs it, the compiler checks its types, and it is bundled for
// platforms without Node and run in a page. `npm run runtimes` covers more platforms.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { findChromium, visitPage } from "./chromium.ts";
import { Installed } from "./installed.ts";
import { bin, conclude, type Package, publishedPackages, root } from "./workspace.ts";

/** Entry points that must run without Node. */
const portable = ["penguiflow", "penguiflow/lint", "penguiflow/testing", "@penguiflow/otel"];

const summary: string[] = [];
using installed = new Installed();
const { folder, problems } = installed;

async function checkPackage(item: Package): Promise<void> {
  const { name, manifest } = item;
  const project = path.join(root, item.folder);
  const { messages, pkg } = await publint({ pkgDir: project, strict: true });
  for (const message of messages) problems.push(`${item.folder}/package.json: ${formatMessage(message, pkg)}`);

  const packed = await installed.install(item);
  if (packed === undefined) return;
  const paths = packed.files.map((file) => file.path);
  for (const file of paths) {
    // the tests of a template are for new projects
    if (!file.startsWith("templates/") && /\.test\.|(^|\/)\./.test(file))
      problems.push(`Package "${name}" must not ship "${file}"`);
  }
  await installed.must(
    `attw on "${name}"`,
    bin("attw"),
    packed.filename,
    "--profile",
    "esm-only",
    "--no-emoji",
    "--no-color",
  );

  const entries = Object.entries(manifest.exports ?? {})
    .filter(([, target]) => typeof target !== "string")
    .map(([subpath]) => path.posix.join(name, subpath));
  const imports = entries.map(
    (entry, index) => `import * as entry${index} from "${entry}";\nconsole.log(entry${index});`,
  );
  installed.write("imports.js", imports.join("\n"));
  const exported = await installed.must(`Importing "${name}" in an empty folder`, process.execPath, "imports.js");
  if (/^\[Module: null prototype\] \{\s*\}$/m.test(exported))
    problems.push(`An entry point of "${name}" exports nothing`);

  const place = path.join(folder, "node_modules", name);
  for (const page of paths.filter((file) => /^(docs\/.*\.md|llms\.txt)$/.test(file))) {
    for (const [, target = ""] of readFileSync(path.join(place, page), "utf8").matchAll(/\]\(([^)#:]+)[^):]*\)/g)) {
      if (!existsSync(path.resolve(place, path.dirname(page), target))) {
        problems.push(`Package "${name}": "${page}" has a broken link: "${target}"`);
      }
    }
  }
  const kilobytes = (packed.size / 1000).toFixed(0);
  summary.push(`${name}: ${paths.length} files, ${kilobytes} kB packed, imports as ${entries.join(" and ")}`);
}

/** Drives the page of examples/web as a user would: reads one text to its end and cancels the next. */
async function usePage(page: Page): Promise<void> {
  const outcome = (status: string) => page.waitForSelector(`#outcome[data-status="${status}"]`, { timeout: 20_000 });
  await page.click("#start");
  const text = (await (await outcome("completed")).textContent()) ?? "";
  if (!/^completed: 5 sentences, 29 words; .* \(traces now open: 0\)$/.test(text))
    problems.push(`The page says "${text}"`);
  if ((await page.locator("#sentences li").count()) !== 5) problems.push("The page does not show all chunks");
  await screenshot(page, "completed");

  await page.click("#start");
  await page.waitForSelector("#sentences li:nth-child(2)", { timeout: 20_000 });
  await page.click("#cancel");
  const cancelled = (await (await outcome("cancelled")).textContent()) ?? "";
  if (!cancelled.includes("traces now open: 0")) problems.push(`After a cancel the page says "${cancelled}"`);
  if ((await page.locator("#sentences li").count()) === 5) problems.push("The page kept reading after a cancel");
  await screenshot(page, "cancelled");

  const exported = await page.evaluate<number>('import("./portable.js").then((all) => Object.keys(all).length)');
  if (exported !== portable.length) problems.push(`The page can import ${exported} of ${portable.join(", ")}`);
}

async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(path.join(root, ".scratch/page"), { recursive: true });
  writeFileSync(path.join(root, ".scratch/page", `${name}.png`), await page.screenshot());
}

for (const item of publishedPackages()) await checkPackage(item);

installed.addPrograms();
await installed.compile("TypeScript 7", path.join(root, "node_modules/typescript/bin/tsc"));
await installed.consume(`Node ${process.versions.node}`, process.execPath);
installed.write("app/portable.ts", portable.map((name, at) => `export * as entry${at} from "${name}";`).join("\n"));
await installed.bundle("portable.ts");
const page = await installed.bundle("page.ts");
const worker = await installed.bundle("worker.ts");
const bundles = `a page ${page.gzipKb.toFixed(1)} kB, a worker ${worker.gzipKb.toFixed(1)} kB (gzip), no module of Node`;
summary.push(`Used on Node ${process.versions.node}, with TypeScript 7 both ways; bundled: ${bundles}`);

const chromium = findChromium();
if (chromium === undefined) {
  summary.push("SKIPPED: Chromium is not installed (apt-get install chromium), so nobody looked at the page");
} else {
  const html = readFileSync(path.join(folder, "app/index.html"), "utf8");
  installed.write("app/index.html", html.replace("./page.ts", "./page.js"));
  problems.push(...(await visitPage(chromium, path.join(folder, "app"), usePage)));
  summary.push("The page streams, completes and cancels in headless Chromium; pictures in .scratch/page");
}
conclude(problems, summary.join("\n"));
