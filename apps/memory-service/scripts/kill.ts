// Kills a process that keeps texts, again and again, and counts what is there: `npm run memory:kill -- --kills 500`.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { readCommandLine, wholeNumber } from "../../../scripts/command-line.ts";
import { killAndCount } from "../test/kill-and-count.ts";

const USAGE = `Usage: npm run memory:kill -- [--kills n] [--seed n]

  --kills  times that the process is killed, 20 when left out
  --seed   seed of the instants, 1 when left out`;

const { values } = readCommandLine(USAGE, {
  kills: { type: "string", default: "20" },
  seed: { type: "string", default: "1" },
});
const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-kill-"));
try {
  const { kills, accepted, missing, twice, unembedded } = await killAndCount(
    folder,
    wholeNumber("kills", values.kills),
    wholeNumber("seed", values.seed),
    (count, texts) => {
      if (count % 50 === 0) process.stdout.write(`${count} kills, ${texts} texts accepted\n`);
    },
  );
  process.stdout.write(
    `${kills} kills, ${accepted} texts accepted: ${missing.length} missing, ${twice.length} twice, `,
  );
  process.stdout.write(`${unembedded.length} without a vector\n`);
  process.exitCode = missing.length + twice.length + unembedded.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
