// Serves a flow: answers questions about its tenants' documents as JSON, by server-sent events and by WebSocket, until
// it is told to stop.
//
//   export TENANTS='[{"name":"acme","token":"a-token-of-acme-0001","documents":"docs"}]'
//   npm run example examples/service/main.ts
import { once } from "node:events";
import process from "node:process";
import { configureLogging, defaultLogger, errorPayload } from "penguiflow";
import { ConfigError, readConfig } from "./config.ts";
import { readLibrary } from "./library.ts";
import { Service } from "./service.ts";

export async function main(): Promise<void> {
  const config = readConfig(process.env);
  configureLogging({ structured: true, level: config.LOG_LEVEL });
  const toldToStop = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);

  const service = new Service(config);
  await service.start(readLibrary);
  defaultLogger.info("ready", { url: service.url, adminUrl: service.adminUrl, pid: process.pid });

  await toldToStop;
  defaultLogger.info("draining", { underWay: service.parts.door.inside });
  const { cancelled, abandoned } = await service.drain();
  defaultLogger.info("stopped", { cancelled, abandoned });
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    if (error instanceof ConfigError) console.error(error.message);
    else defaultLogger.error("failed", { error: errorPayload(error) });
    process.exit(1);
  });
}
