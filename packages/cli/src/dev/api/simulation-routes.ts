import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { globSync } from "node:fs";
import path from "node:path";
import type { SimulationFiles, SimulationItem } from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";
import { Fields, readObject } from "../server/body.ts";
import { EventStream } from "../server/event-stream.ts";
import { type Call, type Route, route, WRITTEN } from "../server/router.ts";
import { EXEC_ARGV, mainFile } from "../supervisor/main-file.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** Seeds of one simulation at most. */
const MAX_SEEDS = 100_000;

/** Routes of the simulations, each of which runs in a process of its own. */
export function simulationRoutes(supervisor: Supervisor): Route[] {
  const running = new Map<string, ChildProcess>();
  return [
    route("GET /simulate", (): SimulationFiles => ({
      files: filesOf(supervisor.root).map((file) => ({ file, name: path.basename(file).replace(/\.sim\.\w+$/, "") })),
    })),
    route("POST /simulate", async (call) => await simulate(supervisor, call, running)),
    route("DELETE /simulate/:id", ({ params }) => {
      const found = running.get(params["id"]!);
      if (found === undefined) throw new ApiError("ROUTE_UNKNOWN", "The simulation has ended");
      found.kill("SIGKILL");
    }),
  ];
}

function filesOf(root: string): string[] {
  return globSync("**/*.sim.{ts,mts,js,mjs}", { cwd: root, exclude: (name) => name === "node_modules" }).sort();
}

async function simulate(supervisor: Supervisor, { request, response }: Call, running: Map<string, ChildProcess>) {
  const { root, env, execArgv } = supervisor;
  const fields = new Fields(await readObject(request), ["file", "seeds", "from"]);
  const known = filesOf(root);
  const file = fields.optionalText("file") ?? (known.length === 1 ? known[0] : undefined);
  if (file === undefined || !known.includes(file))
    throw new ApiError(
      "INPUT_INVALID",
      `Name one of the project's simulations: ${known.join(", ") || "there is no *.sim.ts"}`,
    );
  const seeds = fields.integer("seeds", 1, MAX_SEEDS) ?? 100;
  const from = fields.integer("from", 0, 2 ** 31) ?? 1;
  const id = randomUUID();
  const child = fork(mainFile("simulation"), [root, file, String(from), String(seeds)], {
    cwd: root,
    execArgv: [...EXEC_ARGV, ...execArgv],
    env: { ...env },
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  running.set(id, child);
  let isToldEnd = false;
  // the simulation waits for a page that is behind: each seed is sent once the one before is taken
  const stream = new EventStream(response, {
    onDrained: () => void child.kill("SIGCONT"),
    onClose: () => void child.kill("SIGKILL"),
  });
  const send = (item: SimulationItem): void => {
    stream.send(item);
    if (stream.isBehind) child.kill("SIGSTOP");
  };
  send({ type: "start", id, file, seeds });
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.setEncoding("utf8").on("data", (text: string) => supervisor.logs.add(name, text));
  child.on("message", (item: SimulationItem) => {
    isToldEnd ||= item.type === "end";
    send(item);
  });
  child.once("close", () => {
    running.delete(id);
    if (!isToldEnd) send({ type: "end", failed: 0, never: [], error: "The simulation was stopped" });
    stream.close();
  });
  return WRITTEN;
}
