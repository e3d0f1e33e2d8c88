#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

// a reader that has gone, such as "head", is no failure
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`memory-service needs Node 22.18 or newer: this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // loaded now, since an older Node has no SQLite and would say so at length
  const { main } = await import("./command/main.ts");
  process.exitCode = await main(process.argv.slice(2));
}
