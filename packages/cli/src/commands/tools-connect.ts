import type { Tool, ToolSource } from "@penguiflow/planner";
import { DEFAULT_TENANT } from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG } from "../command-line/flags.ts";
import { usage } from "../command-line/parse.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { openSource, SOURCE_KINDS, SOURCE_MS } from "../project/tool-source.ts";
import { counted, printJson, styled, table } from "../text.ts";

export const toolsConnect = command({
  name: "tools connect",
  summary: "Connects to an MCP server or an OpenAPI document, and lists its tools",
  about:
    "A URL or file that ends in .json, .yaml or .yml is an OpenAPI document, another URL an MCP server, all else the command line that starts one. Effects are those that a planner takes when you set none.",
  words: [{ name: "source", help: "URL, file, or the command line of a server in quotes" }],
  flags: {
    "show-tools": { type: "boolean", help: "shows tools in full: description and arguments" },
    max: { type: "integer", least: 1, default: 50, help: "maximum number of tools shown" },
    env: { type: "list", value: "name=value", help: "variable of the server's process; may be given several times" },
    as: { type: "string", choices: SOURCE_KINDS, help: "kind of the source, when its name does not tell" },
    json: JSON_FLAG,
  },
  examples: [
    'penguiflow tools connect "npx -y my-server" --show-tools',
    "penguiflow tools connect https://shop.example/openapi.json --max 5",
  ],
  exits: [Exit.NO_FLOW, Exit.UNREACHABLE],
  async run({ words: [place = ""], flags: { "show-tools": inFull, max, env, as: kind, json }, io }) {
    const source = await openSource(io, { place, kind, env: variablesOf(env) });
    const tools = await toolsOf(io, place, source);
    const shown = tools.slice(0, max);
    if (json) printJson(io, { source: place, count: tools.length, tools: shown.map(viewOf) });
    else if (inFull) for (const tool of shown) io.out(`${fullText(io, tool)}\n`);
    else if (shown.length > 0)
      io.out(
        table([
          ["TOOL", "EFFECTS", "DESCRIPTION"],
          ...shown.map(({ name, effects, description }) => [name, effects, firstLine(description)]),
        ]),
      );
    const rest = tools.length - shown.length;
    io.err(`${counted(tools.length, "tool")}${rest > 0 ? `, of which ${rest} are not shown: --max shows more` : ""}\n`);
    return Exit.OK;
  },
});

function variablesOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((entry) => {
      const [, name, value] = /^(\w+)=(.*)$/s.exec(entry) ?? [];
      if (name === undefined || value === undefined) throw usage(`Option "--env" takes NAME=VALUE: got "${entry}"`);
      return [name, value];
    }),
  );
}

/** Lists the tools of a source, and closes it. */
async function toolsOf(io: Io, place: string, source: ToolSource): Promise<readonly Tool[]> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(SOURCE_MS)]);
  try {
    return await source.list({
      caller: { tenant: DEFAULT_TENANT, runId: "tools connect" },
      credential: undefined,
      signal,
    });
  } catch (error) {
    throw new CliError({
      code: "SOURCE_UNREACHABLE",
      exit: Exit.UNREACHABLE,
      message: `Cannot list the tools of ${place}: ${error instanceof Error ? error.message : String(error)}`,
      hint: "--as names the kind of the source, --env gives variables to its process",
      cause: error,
    });
  } finally {
    await source.close?.();
  }
}

function viewOf({ name, description, effects, inputSchema }: Tool) {
  return { name, effects, description, inputSchema };
}

function fullText(io: Io, { name, description, effects, inputSchema }: Tool): string {
  const { properties = {}, required = [] } = inputSchema as {
    readonly properties?: Readonly<Record<string, { readonly type?: unknown; readonly description?: string }>>;
    readonly required?: readonly string[];
  };
  const rows = Object.entries(properties).map(([key, { type, description: about = "" }]) => [
    `  ${key}${required.includes(key) ? "" : "?"}`,
    typeof type === "string" ? type : "",
    firstLine(about),
  ]);
  return `${styled(io, "bold", name)} (${effects})\n${description.trim().replaceAll(/^/gm, "  ")}\n${table(rows)}`;
}

function firstLine(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
