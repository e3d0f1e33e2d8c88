import { existsSync } from "node:fs";
import path from "node:path";
import type { Overlay, Reload } from "@penguiflow/playground/protocol";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { usage } from "../command-line/parse.ts";
import { openBrowser } from "../dev/open-browser.ts";
import { type DevServer, startDevServer } from "../dev/dev-server.ts";
import type { Fault } from "../dev/ipc/messages.ts";
import { openServer } from "../dev/server/open-server.ts";
import { LEAST_TOKEN } from "../dev/server/session.ts";
import { storeRoutes } from "../dev/store-view/store-routes.ts";
import { CliError, Exit, type ExitStatus } from "../exit.ts";
import type { Io } from "../io.ts";
import { hidden } from "../package-of.ts";
import { withStore } from "../store/open-store.ts";
import { counted, printJson, styled } from "../text.ts";

const PORT = 4747;
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "::1"]);
/** Milliseconds that runs have after Ctrl-C. */
const DRAIN_MS = 5_000;

export const dev = command({
  name: "dev",
  summary: "Runs the project with its playground in the browser, and loads its code again when it is saved",
  about:
    "The server listens on this machine alone and needs the token of the address that it prints. Code that does not load is shown with its place, and the last good code goes on. Runs, threads and half-written forms are kept in .penguiflow. Ctrl-C ends it; runs have 5 s to end, and a second Ctrl-C ends them at once.",
  words: [],
  flags: {
    project: PROJECT_FLAG,
    port: { type: "integer", least: 0, help: `port; ${PORT} or the next free one when left out, any free one for 0` },
    host: {
      type: "string",
      value: "address",
      default: "127.0.0.1",
      help: "address to listen on; another one needs --token",
    },
    token: {
      type: "string",
      value: "token",
      help: `secret of the address, of ${LEAST_TOKEN} characters or more; a new one for each start when left out`,
    },
    open: { type: "boolean", default: true, help: "does not open the browser; without a terminal none is opened" },
    store: {
      type: "string",
      value: "store",
      help: "shows what a state store has kept, and runs nothing: a SQLite file or postgres://…",
    },
    reload: { type: "boolean", default: true, help: "does not load code again when it is saved" },
    json: { ...JSON_FLAG, help: "prints one JSON object a line for the start, each load and each error" },
  },
  examples: ["penguiflow dev", "penguiflow dev --port 8080 --no-open"],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.PORT_TAKEN, Exit.UNKNOWN],
  async run({ flags: { project, port, host, token, open, reload, store, json }, io }) {
    const root = path.resolve(io.cwd, project);
    if (!existsSync(root))
      throw new CliError({ code: "PROJECT_MISSING", exit: Exit.NO_FLOW, message: `There is no folder ${root}` });
    requireToken(host, token);
    const talk = new Talk(io, root, json);
    const place = { host, port: port ?? PORT, isChosen: port !== undefined };
    const onFault = (error: unknown): void =>
      io.err(
        `${styled(io, "red", "error")} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
    if (store !== undefined)
      return await withStore(io, store, async (opened) => {
        const routes = storeRoutes(opened, hidden(store));
        const server = await openServer({ routes, place, token, isReadOnly: true, onFault });
        talk.listening(server, host);
        if (open && io.canAsk) openBrowser(server.url);
        await interrupted(io);
        await server.close();
        return Exit.OK;
      });
    const missing = Promise.withResolvers<Fault>();
    const server = await startDevServer({
      root,
      env: io.env,
      place,
      token,
      reloads: reload,
      onReady: (generation, loaded) =>
        talk.ready(
          generation.flows.map(({ name }) => name),
          loaded,
        ),
      onOverlay: (overlay) => talk.overlay(overlay),
      onMissing: missing.resolve,
      onOutput: (_, text) => io.err(text),
      onFault,
    });
    talk.listening(server, host);
    if (open && io.canAsk) openBrowser(server.url);
    return await untilEnd(server, io, missing.promise);
  },
});

/** Serves until Ctrl-C, or until it is known that there is nothing to serve. */
async function untilEnd(server: DevServer, io: Io, missing: Promise<Fault>): Promise<ExitStatus> {
  const fault = await Promise.race([interrupted(io), missing]);
  await server.close(fault === undefined ? DRAIN_MS : 0);
  if (fault === undefined) return Exit.OK;
  const { code, message, hint } = fault;
  throw new CliError({ code, exit: Exit.NO_FLOW, message, hint });
}

/** Resolves with Ctrl-C. */
async function interrupted({ signal }: Io): Promise<undefined> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function requireToken(host: string, token: string | undefined): void {
  if (token === undefined && !LOOPBACK.has(host))
    throw usage(`Option "--host ${host}" opens the project to the network: it needs --token`, dev);
  if (token !== undefined && (token.length < LEAST_TOKEN || !/^[\w.~-]+$/.test(token)))
    throw usage(`Option "--token" must have ${LEAST_TOKEN} or more letters, digits or any of . _ ~ -`, dev);
}

/** Tells the terminal what happens. */
class Talk {
  readonly #io: Io;
  readonly #root: string;
  readonly #json: boolean;

  constructor(io: Io, root: string, json: boolean) {
    this.#io = io;
    this.#root = root;
    this.#json = json;
  }

  listening({ url, origin, port }: Pick<DevServer, "url" | "origin" | "port">, host: string): void {
    if (this.#json) {
      printJson(this.#io, { type: "listening", url, port, project: this.#root }, true);
      return;
    }
    this.#io.out(`${styled(this.#io, "bold", "Playground")} ${url}\n`);
    if (!LOOPBACK.has(host))
      this.#io.err(
        `${styled(this.#io, "yellow", "open")} Anybody who reaches ${origin} and has the token can run this project's code\n`,
      );
    this.#io.err(`Ctrl-C ends it\n`);
  }

  ready(flows: readonly string[], reload: Reload): void {
    if (this.#json) printJson(this.#io, { type: "ready", flows, ...reload }, true);
    else this.#io.err(`${styled(this.#io, "green", "ready")} ${flows.join(", ")} ${loadedWords(reload)}\n`);
  }

  overlay(overlay: Overlay | undefined): void {
    if (overlay === undefined) return;
    if (this.#json) {
      printJson(this.#io, { type: "error", error: overlay }, true);
      return;
    }
    const { message, place, hint, hasGoodCode } = overlay;
    const at = place === undefined ? "" : ` at ${place.file}:${place.line}`;
    this.#io.err(
      `${styled(this.#io, "red", "error")} ${message.split("\n")[0]}${at}\n${hint === undefined ? "" : `${hint}\n`}`,
    );
    if (hasGoodCode) this.#io.err("The last good code goes on\n");
  }
}

/** Says how code was loaded, and what of the old code ends. */
function loadedWords({ ms, files, draining, lostQuestions }: Reload): string {
  const after = files.length === 0 ? "" : ` after ${files.join(", ")}`;
  const ends = draining === 0 ? "" : `; ${counted(draining, "run")} of the old code may end within 5 s`;
  const lost = lostQuestions === 0 ? "" : `; ${counted(lostQuestions, "open question")} ended: not durable`;
  return `in ${ms} ms${after}${ends}${lost}`;
}
