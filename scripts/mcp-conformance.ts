// Runs the conformance suite of the Model Context Protocol over packages/tools-mcp, in both directions, and over the
// server of apps/memory-service: `npm run mcp:conformance`. What each scenario must give, and why some are left out, is
// in mcp-conformance/scenarios.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { installFolder } from "./install-folder.ts";
import { ofClients, ofMemory, ofNextMemory, ofServers, type Scenario } from "./mcp-conformance/scenarios.ts";
import { conclude, root, run } from "./workspace.ts";

const SUITE = "test/mcp-conformance";
/** Suite of the protocol's revision of 2026, in which there are no sessions. */
const NEXT_SUITE = "test/mcp-conformance-next";
const NEXT_VERSION = "2026-07-28";
const TIMEOUT_MS = 60_000;

interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "INFO" | "SKIPPED";
  readonly errorMessage?: string;
}

const programOf = (suite: string): string =>
  path.join(root, suite, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-mcp-"));
const problems: string[] = [];
const program = (name: string): string[] => [
  "--conditions=@penguiflow/source",
  "--no-warnings",
  path.join(import.meta.dirname, "mcp-conformance", `${name}-process.ts`),
];

/** One side of the protocol that the suite examines. */
interface Direction {
  readonly direction: "server" | "client";
  /** Name in what is printed. */
  readonly subject: string;
  readonly suite?: string;
  readonly given: readonly string[];
}

/** Runs a scenario; returns its checks, those that pass in several requests once. */
async function checksOf({ direction, subject, suite = SUITE, given }: Direction, name: string): Promise<Check[]> {
  const results = path.join(folder, subject, name);
  const args = [programOf(suite), direction, ...given, "--scenario", name, "-o", results];
  const { output } = await run(process.execPath, args, { cwd: folder, timeoutMs: TIMEOUT_MS });
  const [file] = globSync("**/checks.json", { cwd: results });
  if (file !== undefined) return JSON.parse(readFileSync(path.join(results, file), "utf8")) as Check[];
  problems.push(`${subject} ${name}: no result\n${output.slice(-2000)}`);
  return [];
}

/** Compares the checks of a scenario with what it must give. */
function compare(where: string, checks: readonly Check[], expected: Exclude<Scenario, string>): number {
  const passed = typeof expected === "number" ? expected : expected.passed;
  const fails = typeof expected === "number" ? [] : expected.fails;
  const idsOf = (status: Check["status"]): string[] => [
    ...new Set(checks.filter((check) => check.status === status).map(({ id }) => id)),
  ];
  const failed = idsOf("FAILURE");
  const succeeded = idsOf("SUCCESS").filter((id) => !failed.includes(id));
  for (const { id, status, errorMessage = "" } of checks)
    if (status === "FAILURE" && !fails.includes(id)) problems.push(`${where}: ${id} fails. ${errorMessage}`);
  for (const id of fails) if (!failed.includes(id)) problems.push(`${where}: ${id} passes now: say so in the table`);
  if (succeeded.length !== passed)
    problems.push(`${where}: ${succeeded.length} checks pass, ${passed} are expected: ${succeeded.join(", ")}`);
  return succeeded.length;
}

/** Runs the scenarios of a direction, two at a time, and prints what they gave. */
async function runAll(direction: Direction, table: Readonly<Record<string, Scenario>>): Promise<void> {
  const { subject } = direction;
  const left = Object.entries(table).flatMap(([name, expected]) =>
    typeof expected === "string" ? [] : [{ name, expected }],
  );
  const scenarios = left.length;
  let checks = 0;
  const runSome = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const found = await checksOf(direction, next.name);
      checks += compare(`${subject} ${next.name}`, found, next.expected);
    }
  };
  await Promise.all([runSome(), runSome()]);
  process.stdout.write(`${subject}: ${checks} checks of ${scenarios} scenarios pass\n`);
  for (const [name, expected] of Object.entries(table)) {
    const why = typeof expected === "string" ? expected : typeof expected === "object" ? expected.why : undefined;
    const what = typeof expected === "object" ? `${name}, ${expected.fails.join(", ")}` : name;
    if (why !== undefined) process.stdout.write(`  left out: ${what} (${why})\n`);
  }
}

/** Reports scenarios that the suite has and the tables have not. */
async function compareLists(): Promise<void> {
  const { output } = await run(process.execPath, [programOf(SUITE), "list"]);
  const names = [...output.matchAll(/^ {2}- (\S+)/gm)].map(([, name = ""]) => name);
  const known = new Set([...Object.keys(ofServers), ...Object.keys(ofClients)]);
  if (names.length === 0) problems.push(`The suite lists no scenarios:\n${output.slice(-2000)}`);
  for (const name of names) if (!known.has(name)) problems.push(`Scenario "${name}" is in no table`);
  for (const name of known) if (!names.includes(name)) problems.push(`The suite has no scenario "${name}"`);
}

/** Runs work on the URL of a server's process. */
async function withServer(name: string, work: (url: string) => Promise<void>): Promise<void> {
  const server = spawn(process.execPath, program(name), { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    await work(line.toString().trim());
  } finally {
    server.kill();
  }
}

if (
  (await installFolder(SUITE, "the conformance suite of MCP")) &&
  (await installFolder(NEXT_SUITE, "the conformance suite of MCP's next revision"))
) {
  try {
    await compareLists();
    await withServer("server", async (url) => {
      await runAll({ direction: "server", subject: "server", given: ["--url", url] }, ofServers);
    });
    await withServer("memory", async (url) => {
      await runAll({ direction: "server", subject: "memory service", given: ["--url", url] }, ofMemory);
      const given = ["--url", url, "--spec-version", NEXT_VERSION];
      const subject = `memory service, ${NEXT_VERSION}`;
      await runAll({ direction: "server", subject, suite: NEXT_SUITE, given }, ofNextMemory);
    });
    const command = [process.execPath, ...program("client")].join(" ");
    await runAll({ direction: "client", subject: "client", given: ["--command", command] }, ofClients);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  conclude(problems, "The MCP conformance suite holds in both directions");
}
