#!/usr/bin/env node
import module from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`penguiflow needs Node 22.18 or newer: this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // the next command starts sooner
  module.enableCompileCache();
  // loaded now: an older Node would fail with a stack while it loads the rest
  const { run } = await import("./run-process.ts");
  await run();
}
