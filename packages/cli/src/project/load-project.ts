import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseEnv } from "node:util";
import { meant } from "../command-line/nearest.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { type FoundFlow, flowsOf } from "./find-flows.ts";
import type { Config } from "./config.ts";
import { findConfig, findEntry } from "./find-entry.ts";
import { loadError } from "./load-error.ts";

/** A project whose code is loaded. */
export interface Project {
  /** Absolute path of its folder. */
  readonly root: string;
  readonly config: Config;
  /** Absolute path of the file that exports its flows. */
  readonly entry: string;
  readonly flows: readonly FoundFlow[];
}

/**
 * Loads a project: its `.env`, which overrides nothing, its settings and its flows.
 *
 * @throws CliError when there is no such folder, no file with flows, or code does not load
 */
export async function loadProject(io: Io, folder: string): Promise<Project> {
  const root = path.resolve(io.cwd, folder);
  if (!existsSync(root))
    throw new CliError({ code: "PROJECT_MISSING", exit: Exit.NO_FLOW, message: `There is no folder ${root}` });
  loadEnvFile(path.join(root, ".env"));
  const config = await loadConfig(root);
  const entry = findEntry(root, config.entry);
  return { root, config, entry, flows: flowsOf(await load(entry, root)) };
}

/**
 * Returns the flow of that name, or the only one.
 *
 * @throws CliError that lists the flows there are
 */
export function flowOf(project: Project, name: string | undefined): FoundFlow {
  const { flows, entry } = project;
  if (flows.length === 0)
    throw new CliError({
      code: "FLOW_MISSING",
      exit: Exit.NO_FLOW,
      message: `${entry} exports no flow`,
      hint: "export what create or createPlanner returns; functions are not called",
    });
  const names = flows.map((flow) => flow.name);
  if (name === undefined) {
    if (flows.length === 1) return flows[0]!;
    throw new CliError({
      code: "FLOW_AMBIGUOUS",
      exit: Exit.USAGE,
      message: `${entry} exports ${flows.length} flows: say which of ${names.join(", ")}`,
    });
  }
  const found = flows.filter((flow) => flow.name === name || flow.exported === name);
  if (found.length === 1) return found[0]!;
  throw new CliError({
    code: "FLOW_UNKNOWN",
    exit: Exit.NO_FLOW,
    message:
      found.length === 0
        ? `${entry} exports no flow "${name}"${meant(name, names)}`
        : `${entry} exports ${found.length} flows named "${name}": say which of ${found.map(({ exported }) => exported).join(", ")}`,
    hint: `it has ${names.join(", ")}`,
  });
}

/** Loads the settings of a project, if it has any. */
export async function loadConfig(root: string): Promise<Config> {
  const file = findConfig(root);
  if (file === undefined) return {};
  const { default: config } = await load(file, root);
  const wrong = (what: string): CliError =>
    new CliError({ code: "CONFIG_INVALID", exit: Exit.NO_FLOW, message: `${path.basename(file)} ${what}` });
  if (typeof config !== "object" || config === null) throw wrong("must export its settings as default");
  const requireKnown = (settings: object, known: readonly string[], before = ""): void => {
    const unknown = Object.keys(settings).find((key) => !known.includes(key));
    if (unknown !== undefined) throw wrong(`has an unknown setting "${before}${unknown}"${meant(unknown, known)}`);
  };
  requireKnown(config, ["entry", "run", "dev"]);
  const { entry, run, dev } = config as Record<string, unknown>;
  if (entry !== undefined && typeof entry !== "string") throw wrong('must give "entry" as text');
  if (run !== undefined && typeof run !== "function") throw wrong('must give "run" as a function');
  if (dev === undefined) return config;
  if (typeof dev !== "object" || dev === null) throw wrong('must give "dev" as an object');
  requireKnown(dev, ["execArgv", "origins"], "dev.");
  for (const [name, value] of Object.entries(dev))
    if (!Array.isArray(value) || !value.every((each) => typeof each === "string"))
      throw wrong(`must give "dev.${name}" as a list of texts`);
  return config;
}

/** Imports a module of the project. */
export async function load(file: string, root: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw loadError(file, root, error);
  }
}

/** Adds the variables of a file to the environment, and overrides none. */
export function loadEnvFile(file: string): void {
  if (!existsSync(file)) return;
  for (const [name, value] of Object.entries(parseEnv(readFileSync(file, "utf8")))) process.env[name] ??= value;
}
