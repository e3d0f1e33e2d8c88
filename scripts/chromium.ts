// Finds or installs Chromium, and runs a page in it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { chromium, type Page } from "playwright-core";

const places = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Finds Chromium; `undefined` when it is not installed. */
export function findChromium(): string | undefined {
  return places.find((place) => place !== undefined && existsSync(place));
}

/**
 * Installs Chromium with apt-get, where this process may.
 *
 * @returns the reason why there is still none; `undefined` once it is there
 */
export function installChromium(): string | undefined {
  const missing = 'Chromium is missing, and "apt-get install chromium"';
  if (process.getuid?.() !== 0) return `${missing} needs root`;
  process.stdout.write("Installing Chromium (a minute, once)\n");
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const { status, error, stderr } = spawnSync("apt-get", args, { env, encoding: "utf8", timeout: 300_000 });
    if (error !== undefined) return `${missing} cannot be run: ${error.message}`;
    if (status !== 0) return `${missing} fails: ${stderr.trim().split("\n").at(-1) ?? ""}`;
  }
  return findChromium() === undefined ? `${missing} brings none` : undefined;
}

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const mediaTypes: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** Serves a folder to a page, runs `visit` on it, and returns the errors the page reported. */
export async function visitPage(
  executablePath: string,
  folder: string,
  visit: (page: Page) => Promise<void>,
): Promise<string[]> {
  const server = createServer((request, response) => {
    const file = path.join(folder, path.basename(request.url ?? ""));
    const type = mediaTypes[path.extname(file)];
    if (type === undefined || !existsSync(file)) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": type }).end(readFileSync(file));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const browser = await chromium.launch({ executablePath, args: flags });
  const complaints: string[] = [];
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
    page.on("pageerror", (error) => complaints.push(`The page throws: ${error.message}`));
    page.on("console", (line) => line.type() === "error" && complaints.push(`The page logs: ${line.text()}`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
    await visit(page);
  } catch (error) {
    complaints.push(`Cannot use the page: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await browser.close();
    server.close();
  }
  return complaints;
}
