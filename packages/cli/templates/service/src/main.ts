// The service: starts, and ends with what SIGTERM or Ctrl-C finds accepted.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { readConfig } from "./config.ts";
import { startService } from "./service.ts";
import { startTelemetry } from "./telemetry.ts";

const config = readConfig(process.env);
const told = Promise.withResolvers<string>();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, told.resolve);

mkdirSync(path.dirname(config.file), { recursive: true });
// before the flow runs, which asks for the registered SDK
const endTelemetry = config.collector === "" ? undefined : startTelemetry();
const service = await startService(config);
console.log(`Listening on ${service.url}; ${service.resumed} orders go on`);
console.log(`${await told.promise}: draining`);
await service.drain();
await endTelemetry?.();
console.log("Stopped");
