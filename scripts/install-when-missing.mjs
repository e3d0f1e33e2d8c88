// Makes `npm start`, `npm test` and `npm run check` work in a fresh clone: installs the packages of package-lock.json
// when they are missing, then runs the rest of the command line with the workspace's own Node.
//
// Plain JavaScript without dependencies, because an old Node has to run this file. It starts the next program itself: a
// shell caches the path of `node` and would not find the one just installed.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const windows = process.platform === "win32";
const ownNode = path.join(root, "node_modules", "node", "bin", windows ? "node.exe" : "node");
const oldest = { major: 22, minor: 18 };

/** @param {string} file */
function lockedPackages(file) {
  const lock = /** @type {{ packages: Record<string, { version?: string, optional?: boolean }> }} */ (
    JSON.parse(readFileSync(path.join(root, file), "utf8"))
  );
  return lock.packages;
}

/**
 * Compares package-lock.json with the packages npm recorded as installed. File times would change with every checkout.
 */
function isInstalled() {
  try {
    const installed = lockedPackages("node_modules/.package-lock.json");
    return Object.entries(lockedPackages("package-lock.json")).every(([place, wanted]) => {
      if (!place.includes("node_modules/")) return true;
      const found = installed[place];
      return found === undefined ? wanted.optional : found.version === wanted.version;
    });
  } catch {
    return false;
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** @param {() => void} done */
function install(done) {
  const npm = process.env["npm_execpath"];
  const [command, ...first] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  const options = ["--include=dev", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retry-mintimeout=2000"];
  const child = spawn(command, [...first, "ci", ...options], { cwd: root, shell: command === "npm" && windows });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => (output += text));

  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const terminal = process.stderr.isTTY;
  process.stderr.write(`Installing the missing packages (a minute or so, once)${terminal ? "" : "\n"}`);
  const progress = setInterval(
    () => process.stderr.write(terminal ? "." : `  still installing, ${seconds()} s\n`),
    terminal ? 2_000 : 15_000,
  );
  child.on("error", (error) => fail(`Cannot start npm: ${error.message}`));
  child.on("close", (status) => {
    clearInterval(progress);
    if (terminal) process.stderr.write("\n");
    if (status === 0) {
      process.stderr.write(`Installed in ${seconds()} s\n`);
      return done();
    }
    const said = output.trim().split("\n");
    return /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/.test(output)
      ? fail(
          `${said.slice(0, 4).join("\n")}\n\nCannot install: npm does not reach its registry. Go online and repeat the command; later runs need no network`,
        )
      : fail(`${said.join("\n")}\n\nCannot install: "npm ci" failed as shown above`);
  });
}

function runTheRest() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const recent = major > oldest.major || (major === oldest.major && minor >= oldest.minor);
  if (!existsSync(ownNode) && !recent) {
    fail(
      `Cannot run on Node "${process.versions.node}": Node ${oldest.major}.${oldest.minor} or newer is needed, and npm did not install its copy. Run "npm rebuild node" with install scripts allowed`,
    );
  }
  const args = process.argv.slice(2);
  if (args.length === 0) return;
  // child processes find the same Node, also when npm has not set the path
  process.env["PATH"] = [path.join(root, "node_modules", ".bin"), process.env["PATH"]].join(path.delimiter);
  const child = spawn(existsSync(ownNode) ? ownNode : process.execPath, args, { stdio: "inherit" });
  // Ctrl-C on a terminal reaches the child as well; forwarding it would count as a second press
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => fail(`Cannot start Node: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

if (isInstalled()) runTheRest();
else install(runTheRest);
