import { existsSync } from "node:fs";
import path from "node:path";
import type { ToolSource } from "@penguiflow/planner";
import type * as Mcp from "@penguiflow/tools-mcp/client";
import type * as OpenApi from "@penguiflow/tools-openapi";
import { usage } from "../command-line/parse.ts";
import type { Io } from "../io.ts";
import { packageOf } from "../package-of.ts";

/** Kinds of sources that a person may name. */
export const SOURCE_KINDS = ["mcp", "openapi"] as const;

/** Milliseconds for a source to list its tools: a server may be downloaded first. */
export const SOURCE_MS = 60_000;

/** A source as it is typed. */
export interface SourceWish {
  /** URL, file, or command line of a server. */
  readonly place: string;
  /** Kind of the source; by its place when left out. */
  readonly kind: (typeof SOURCE_KINDS)[number] | undefined;
  /** Variables of a server's process. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Makes a source of tools, with the packages of the project: an OpenAPI document, or an MCP server at a URL or of a
 * command line. It does not connect yet.
 *
 * @throws CliError `PACKAGE_MISSING`, `USAGE`
 */
export async function openSource(io: Io, { place, kind, env }: SourceWish): Promise<ToolSource> {
  const isUrl = /^https?:\/\//.test(place);
  if ((kind ?? kindOf(io, place)) === "openapi") {
    const { openApiTools } = await packageOf<typeof OpenApi>(io, "source", "@penguiflow/tools-openapi");
    const document = isUrl ? place : path.resolve(io.cwd, place);
    // nothing is called, and a document may leave its server out
    return openApiTools("", { document, operations: "all", server: "http://localhost" });
  }
  const packages = "@penguiflow/tools-mcp @modelcontextprotocol/client";
  const { mcpTools } = await packageOf<typeof Mcp>(io, "source", "@penguiflow/tools-mcp/client", packages);
  if (isUrl) return mcpTools("", { url: place, connectTimeoutMs: SOURCE_MS });
  const [command = "", ...args] = wordsOf(place);
  if (command === "") throw usage('"tools connect" needs a URL, a file or a command');
  // its error output tells why a server does not start
  return mcpTools("", { command, args, env, cwd: io.cwd, stderr: "inherit", connectTimeoutMs: SOURCE_MS });
}

/** Returns the kind of a place by its ending: a command line is no file. */
function kindOf(io: Io, place: string): SourceWish["kind"] {
  const isDocument = /\.(?:json|ya?ml)(?:[?#]|$)/i.test(place);
  const isThere = /^https?:\/\//.test(place) || existsSync(path.resolve(io.cwd, place));
  return isDocument && isThere ? "openapi" : "mcp";
}

/** Splits a command line into words; quotes keep spaces. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, one, two, plain]) => one ?? two ?? plain ?? "");
}
