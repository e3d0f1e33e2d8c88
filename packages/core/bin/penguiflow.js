#!/usr/bin/env node
// Hands on to @penguiflow/cli, that of the project or the one beside this package, or says how to get it.
import { createRequire } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

/** @returns {string | undefined} */
function findCli() {
  for (const from of [`${process.cwd()}/package.json`, import.meta.filename]) {
    try {
      return createRequire(from).resolve("@penguiflow/cli");
    } catch {
      // not installed there
    }
  }
  return undefined;
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const file = findCli();
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`penguiflow needs Node 22.18 or newer: this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else if (file === undefined) {
  process.stderr.write("The commands of penguiflow are in a package of their own: npm install -D @penguiflow/cli\n");
  process.exitCode = 2;
} else {
  const { run } = /** @type {{ run: () => Promise<void> }} */ (await import(pathToFileURL(file).href));
  await run();
}
