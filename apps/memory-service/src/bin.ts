#!/usr/bin/env node
import { main } from "./command/main.ts";

// a reader that has gone, such as "head", is no failure
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
process.exitCode = await main(process.argv.slice(2));
