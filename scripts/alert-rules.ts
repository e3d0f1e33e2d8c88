// `node scripts/alert-rules.ts`: checks the alert rules of clusters and memories and the expressions of the dashboard with
// promtool, and runs the cases of the rules. Uses an installed promtool, else that of Debian's package, which is fetched by
// apt-get and unpacked beside the other caches: nothing is installed. Says what it skipped where there is neither.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { read, root } from "./workspace.ts";

const NAMES = ["cluster", "memory"];
const rules = NAMES.map((name) => `packages/otel/monitoring/${name}-alerts.yml`);
const cases = NAMES.map((name) => `packages/otel/test/${name}-alerts.promtool.yml`);
const DASHBOARD = "packages/otel/monitoring/cluster-dashboard.json";

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
}

/** Returns the path of promtool, fetched where it is missing, or the reason why there is none. */
function promtool(): { readonly program: string } | { readonly missing: string } {
  if (spawnSync("promtool", ["--version"]).status === 0) return { program: "promtool" };
  const folder = path.join(root, "node_modules/.cache/promtool");
  const program = path.join(folder, "usr/bin/promtool");
  if (existsSync(program)) return { program };
  mkdirSync(folder, { recursive: true });
  try {
    const options = { cwd: folder, stdio: "pipe" } as const;
    execFileSync("apt-get", ["download", "prometheus"], options);
    const archive = readdirSync(folder).find((name) => name.endsWith(".deb")) ?? "";
    execFileSync("dpkg-deb", ["-x", archive, "."], options);
    rmSync(path.join(folder, archive));
  } catch (error) {
    return { missing: `promtool is not installed, and Debian's package cannot be fetched: ${String(error)}` };
  }
  return { program };
}

/** Writes the expressions of the dashboard as rules, which promtool can read. */
function rulesOfDashboard(folder: string): string {
  const { panels } = JSON.parse(read(DASHBOARD)) as Dashboard;
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const recorded = expressions.map((expr, index) => ({
    record: `dashboard:${index}`,
    expr: expr.replaceAll("$cluster", "shop").replaceAll("$__rate_interval", "1m"),
  }));
  const file = path.join(folder, "dashboard.json");
  writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules: recorded }] }));
  return file;
}

const found = promtool();
if ("missing" in found) {
  console.log(`Skipped: ${found.missing}`);
} else {
  const folder = mkdtempSync(path.join(os.tmpdir(), "alert-rules-"));
  try {
    for (const args of [
      ["check", "rules", ...rules, rulesOfDashboard(folder)],
      ["test", "rules", ...cases],
    ]) {
      const { status } = spawnSync(found.program, args, { cwd: root, stdio: "inherit" });
      if (status !== 0) process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
