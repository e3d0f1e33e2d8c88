// `npm run e2e`: the stories of the pages in Chromium. Arguments go to Vitest: `npm run e2e -- chat` runs some of them.
// Without Chromium they are skipped with a reason; a browser that CHROMIUM names must be there.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findChromium } from "./chromium.ts";
import { bin, root } from "./workspace.ts";

const named = process.env["CHROMIUM"];
if (named !== undefined && !existsSync(named)) {
  throw new Error(`Cannot run the stories: CHROMIUM names "${named}", which does not exist`);
}
const browser = findChromium();
if (browser === undefined) {
  process.stdout.write(
    'Skipped: the stories of the pages ("apt-get install chromium", or CHROMIUM=/path/to/a/browser)\n',
  );
} else {
  process.stdout.write(`Browser: ${browser}\n`);
  const args = [bin("vitest"), "run", "--config", "vitest.browser.config.ts", ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}
