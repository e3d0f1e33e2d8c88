import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { configureLogging, defaultLogger, type FlowEvent, logFlowEvents, type Middleware } from "penguiflow";
import { command } from "../command-line/command.ts";
import { DELAY_FLAG, PROJECT_FLAG, STORE_FLAG, TAIL_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { load, loadEnvFile } from "../project/load-project.ts";
import { readTrace } from "../store/read-trace.ts";
import { counted, styled } from "../text.ts";

export const replay = command({
  name: "replay",
  summary: "Replays the stored events of a trace into the log, or into a middleware; no handler runs",
  about:
    "The log has a line for each event, with the level that logFlowEvents gives it. A middleware is the default export of a file, for a new metric on an old trace.",
  words: [{ name: "trace", help: "id of the trace" }],
  flags: {
    into: { type: "string", value: "file", help: "file of the project whose default export is the middleware" },
    tail: TAIL_FLAG,
    delay: DELAY_FLAG,
    tenant: TENANT_FLAG,
    store: STORE_FLAG,
    project: PROJECT_FLAG,
  },
  examples: [
    "penguiflow replay order-17 --store runs.db --delay 200",
    "penguiflow replay order-17 --store runs.db --into src/metrics.ts",
  ],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.UNKNOWN],
  async run({ words: [traceId = ""], flags: { into, tail, delay, tenant, store, project }, io }) {
    const root = path.resolve(io.cwd, project);
    const middleware = into === undefined ? terminalLog(io) : await middlewareOf(root, into);
    const events = await readTrace(io, { traceId, tenant, store, tail }, async ({ payload }) => {
      await middleware(payload as unknown as FlowEvent);
      if (delay > 0) await sleep(delay, undefined, { signal: io.signal });
    });
    if (into !== undefined) io.err(`${counted(events, "event")} replayed into ${into}\n`);
    return Exit.OK;
  },
});

/** Imports the middleware of a file, with the environment of its project. */
async function middlewareOf(root: string, file: string): Promise<Middleware> {
  loadEnvFile(path.join(root, ".env"));
  const { default: middleware } = await load(path.resolve(root, file), root);
  if (typeof middleware === "function") return middleware as Middleware;
  throw new CliError({
    code: "MIDDLEWARE_MISSING",
    exit: Exit.NO_FLOW,
    message: `${file} must export a middleware as default: a function that takes an event`,
  });
}

const COLOURS = { debug: "dim", info: "cyan", warn: "yellow", error: "red" } as const;

/** Makes a middleware that logs to standard output: the lines are the result of the command. */
function terminalLog(io: Io): Middleware {
  configureLogging({
    level: "debug",
    write(line, level) {
      // a name in an event must break neither the line nor the terminal
      const text = line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => JSON.stringify(character).slice(1, -1));
      io.out(`${styled(io, COLOURS[level], text.slice(0, 5))}${text.slice(5)}\n`);
    },
  });
  return logFlowEvents(defaultLogger, {
    redact: ({ at, ...fields }) => ({ at: new Date(at as number).toISOString(), ...fields }),
  });
}
