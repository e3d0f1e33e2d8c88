// `npm run e2e`: the stories of the pages in Chromium. Arguments go to Vitest: `npm run e2e -- chat` runs some of them.
// A missing Chromium is installed where apt-get may do it, else nothing is tried and the status is 75; a browser that
// CHROMIUM names must be there. `npm run e2e -- screens --update` takes the kept pictures of the screens anew.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findChromium, installChromium } from "./chromium.ts";
import { bin, root } from "./workspace.ts";

/** Exit status when nothing was tried: EX_TEMPFAIL. */
const NOT_TRIED = 75;
const report = ["--reporter=default", "--reporter=json", "--outputFile.json=coverage/e2e.json"];

const named = process.env["CHROMIUM"];
if (named !== undefined && !existsSync(named)) {
  throw new Error(`Cannot run the stories: CHROMIUM names "${named}", which does not exist`);
}
const missing = findChromium() === undefined ? installChromium() : undefined;
if (missing !== undefined) {
  process.stderr.write(`Cannot run the stories: ${missing} (CHROMIUM=/path/to/a/browser names another)\n`);
  process.exitCode = NOT_TRIED;
} else {
  process.stdout.write(`Browser: ${findChromium()}\n`);
  const wanted = process.argv.slice(2);
  const stories = wanted.filter((word) => word !== "--update");
  const args = [bin("vitest"), "run", "--config", "vitest.browser.config.ts", ...report, ...stories];
  const env = { ...process.env, UPDATE_SCREENS: String(stories.length < wanted.length) };
  process.exitCode = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env }).status ?? 1;
}
