import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { type Memory, openMemory } from "../memory.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { checkPrincipal } from "../principal.ts";
import type { EvalOptions } from "./eval-command.ts";
import { examine } from "./examine.ts";

const USAGE = `Usage: memory-service <command> [options]

Keeps what was said, verbatim, in files of this machine. Nothing leaves it.

Commands
  serve    serves the HTTP API and a page, to this machine with a token, or with --keys to callers with keys
  mcp      serves the memory to an MCP client, over standard input and output
  key      makes a key for --tenant and --user, and prints its secret
  export   prints the own texts, one JSON object a line
  eval     measures retrieval on texts and questions with known answers, beside baselines
  doctor   examines Node, the folder and its files

Options
  --directory <folder>  folder of the files; MEMORY_DIRECTORY, else ~/.memory-service
  --user <name>         whose memory it is; MEMORY_USER, else the name of the system's user
  --tenant <name>       MEMORY_TENANT, else "local"
  --port <n>            with serve: 7437 when left out, any free one for 0; figures are on the next port
  --host <address>      with serve and --keys: 127.0.0.1 when left out
  --keys                with serve: callers prove themselves by keys, see "memory-service key"
  --sharing             with mcp and serve: the model may share texts with other users
  --set <name>          with eval: conversations when left out, wordnet, cranfield:FOLDER, a file like LoCoMo's
                        locomo10.json, or one of JSON lines like conversations.jsonl of this package
  --embedder <name>     with eval: none when left out, hash, openai:URL,MODEL,DIMS or folder:PATH,DIMS
  --most <n>            with eval: texts of wordnet, 5000 when left out
  --write               with eval: writes the weight that suits the embedder to the memory in --directory
  --help

An MCP client starts it so:
  { "mcpServers": { "memory": { "command": "npx", "args": ["-y", "@penguiflow/memory-service", "mcp"] } } }

Exit status: 0 done, 1 failed or something is wrong, 2 the command line cannot be followed
`;

const OPTIONS = {
  directory: { type: "string" },
  user: { type: "string" },
  tenant: { type: "string" },
  port: { type: "string" },
  host: { type: "string" },
  keys: { type: "boolean" },
  sharing: { type: "boolean" },
  set: { type: "string" },
  embedder: { type: "string" },
  most: { type: "string" },
  write: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Runs the command; resolves with its exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { values, positionals } = parsed;
  const [command, ...more] = positionals;
  if (values.help === true || command === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (more.length > 0) return refuse(`Unexpected word "${more[0]}" after "${command}"`);
  const { env } = process;
  const directory = path.resolve(
    values.directory ?? env["MEMORY_DIRECTORY"] ?? path.join(os.homedir(), ".memory-service"),
  );
  const principal = {
    tenant: values.tenant ?? env["MEMORY_TENANT"] ?? "local",
    user: values.user ?? env["MEMORY_USER"] ?? (os.userInfo().username.replaceAll(/[^A-Za-z0-9_.-]/g, "_") || "me"),
  };
  try {
    checkPrincipal(principal);
  } catch (error) {
    return refuse((error as Error).message);
  }
  const port = Number(values.port ?? 7437);
  if (!Number.isSafeInteger(port) || port < 0 || port > 65_534)
    return refuse(`Option "--port" must be a whole number from 0 to 65534: got "${values.port}"`);
  const withMemory = async (work: (memory: MemoryHandle, all: Memory) => Promise<void>): Promise<number> => {
    let memory: Memory | undefined;
    try {
      memory = await openMemory({ directory });
      await work(memory.as(principal), memory);
      return 0;
    } catch (error) {
      process.stderr.write(`memory-service: ${whyOf(error)}\n`);
      return 1;
    } finally {
      await memory?.close();
    }
  };
  switch (command) {
    case "mcp":
      return await withMemory(async (memory) => {
        const { serveMcp } = await import("../mcp/memory-mcp.ts");
        await serveMcp(memory, { sharing: values.sharing });
      });
    case "serve":
      return await withMemory(async (_, memory) => {
        const { serveMemory } = await import("../http/serve-memory.ts");
        const { host, keys, sharing } = values;
        const monitoringPort = port === 0 ? 0 : port + 1;
        const server = await serveMemory(memory, {
          port,
          monitoringPort,
          host,
          keys,
          sharing,
          ...(keys !== true && { principal }),
        });
        process.stdout.write(`Listening on ${server.url}, figures on ${server.monitoringUrl}/metrics\n`);
        process.stdout.write(`Page: ${server.pageUrl}\n`);
        if (server.token !== undefined) process.stdout.write(`Authorization: Bearer ${server.token}\n`);
        await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
        process.stdout.write("Stopping: requests have 5 s to end\n");
        await server.close();
      });
    case "key":
      return await withMemory(async (_, memory) => {
        const { tenant } = principal;
        // without a user it is one of the whole tenant
        process.stdout.write(`${await memory.keys.create({ tenant, user: values.user })}\n`);
      });
    case "export":
      return await withMemory(async (memory) => {
        for await (const fragment of memory.export()) process.stdout.write(`${JSON.stringify(fragment)}\n`);
      });
    case "eval": {
      const { set, embedder, most, write } = values;
      return await measure({ set, embedder, most, directory: write === true ? directory : undefined });
    }
    case "doctor":
      return examine(directory);
    default:
      return refuse(`Unknown command "${command}": expected serve, mcp, key, export, eval or doctor`);
  }
}

async function measure(options: EvalOptions): Promise<number> {
  const { evalCommand } = await import("./eval-command.ts");
  try {
    await evalCommand(options);
    return 0;
  } catch (error) {
    if (error instanceof RangeError) return refuse(error.message);
    process.stderr.write(`memory-service: ${(error as Error).message}\n`);
    return 1;
  }
}

/** Returns the messages of an error and its causes: this user owns the files, and may know all. */
function whyOf(error: unknown): string {
  const messages: string[] = [];
  for (let at = error; at instanceof Error && messages.length < 8; at = at.cause)
    if (!messages.includes(at.message)) messages.push(at.message);
  return messages.join(": ");
}

function refuse(message: string): number {
  process.stderr.write(`memory-service: ${message}\nmemory-service --help shows what there is\n`);
  return 2;
}
