import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  type ErrorPayload,
  errorPayload,
  FlowError,
  FlowErrorCode,
  type PauseTicket,
  type RunOptions,
  type StreamItem,
} from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { usage } from "../command-line/parse.ts";
import { CliError, Exit, type ExitStatus } from "../exit.ts";
import type { Io } from "../io.ts";
import type { FoundFlow } from "../project/find-flows.ts";
import { flowOf, loadProject, type Project } from "../project/load-project.ts";
import { counted, parsed, printJson, readable, styled } from "../text.ts";
import { LineWriter } from "../line-writer.ts";
import { runPlanner } from "./run-planner.ts";

export const run = command({
  name: "run",
  summary: "Runs a flow or planner once, and prints its results",
  about:
    "The input is JSON, or plain text where it is no JSON. Text that streams is printed as it comes. Questions of the run are asked on the terminal.",
  words: [
    { name: "flow", isOptional: true, help: "a flow's name; may be left out where there is one" },
    { name: "input", isOptional: true, help: "input of the run" },
  ],
  flags: {
    input: {
      type: "string",
      short: "i",
      value: "@file|-",
      help: "reads the input from a file, or from standard input",
    },
    text: { type: "boolean", help: "takes the input as text even if it is JSON" },
    tenant: TENANT_FLAG,
    timeout: { type: "integer", least: 1, help: "milliseconds after which the run is given up" },
    project: PROJECT_FLAG,
    json: { ...JSON_FLAG, help: "prints one JSON object a line for each chunk, result and end" },
  },
  examples: ['penguiflow run "Where is order 4471?"', "penguiflow run orders --input @order.json --json"],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.PAUSED, Exit.INTERRUPTED],
  async run({ words, flags: { input: from, text, tenant, timeout, project: folder, json }, io }) {
    const project = await loadProject(io, folder);
    const isInput = words.length === 1 && from === undefined && !isNameOf(project, words[0]!);
    const found = flowOf(project, isInput ? undefined : words[0]);
    const given = await inputOf(io, isInput ? words[0] : words[1], from);
    const call = { tenant, json, timeoutMs: timeout, options: (await project.config.run?.(found.flow)) ?? {} };
    if (found.planner !== undefined) return await runPlanner(io, found.planner, given, call);
    return await runFlow(io, found, text ? given : parsed(given), call);
  },
});

/** Settings of one run. */
export interface RunCall {
  readonly tenant: string;
  readonly json: boolean;
  readonly timeoutMs: number | undefined;
  /** Options of the flow's `run`: resources, registry. */
  readonly options: RunOptions<unknown>;
}

function isNameOf({ flows }: Project, word: string): boolean {
  return flows.some(({ name, exported }) => name === word || exported === word);
}

async function inputOf(io: Io, word: string | undefined, from: string | undefined): Promise<string> {
  if (word !== undefined && from !== undefined) throw usage("The input is given twice: as a word and with --input");
  if (word !== undefined) return word;
  if (from === "-") return (await io.read()).trimEnd();
  if (from === undefined) throw usage("No input is given: add it as a word, or use --input");
  if (!from.startsWith("@")) throw usage(`Option "--input" takes @file or -: got "${from}"`);
  const file = path.resolve(io.cwd, from.slice(1));
  try {
    return (await readFile(file, "utf8")).trimEnd();
  } catch (error) {
    throw usage(`Cannot read the input from ${file}: ${(error as Error).message}`);
  }
}

async function runFlow(io: Io, { flow, name }: FoundFlow, input: unknown, call: RunCall): Promise<ExitStatus> {
  const { tenant, json, timeoutMs, options } = call;
  const print = new Printer(io, json);
  flow.run(options);
  try {
    await flow.ready();
    let items: AsyncIterable<StreamItem<unknown>> = flow.stream(input, { tenant, timeoutMs, signal: io.signal });
    for (;;) {
      const error = await readTo(items, print);
      if (error === undefined) {
        print.end({ status: "completed" });
        return Exit.OK;
      }
      const pauses = error.code === FlowErrorCode.TRACE_PAUSED ? (error.details?.["pauses"] as PauseTicket[]) : [];
      const [pause] = pauses;
      if (pause === undefined) {
        print.end({ status: "failed", error: errorPayload(error) });
        return io.signal.aborted ? Exit.INTERRUPTED : Exit.FAILED;
      }
      if (!io.canAsk) {
        print.end({ status: "paused", pauses });
        throw paused(name, flow.isDurable, pauses);
      }
      items = flow.pauses.resumeStream(pause.token, parsed(await io.ask(`${askedFor(pause)}\n> `)), { tenant });
    }
  } finally {
    await flow.stop();
  }
}

/** Prints the items of a stream, and returns the error with which its trace ends. */
async function readTo(items: AsyncIterable<StreamItem<unknown>>, print: Printer): Promise<FlowError | undefined> {
  try {
    for await (const item of items) print.item(item);
    return undefined;
  } catch (error) {
    if (error instanceof FlowError) return error;
    throw error;
  }
}

function askedFor({ node, reason, payload }: PauseTicket): string {
  return `${node} waits: ${reason}${payload === undefined ? "" : `\n${readable(payload)}`}`;
}

/** Makes the error of a run that waits for answers where there is no terminal. */
function paused(flow: string, isDurable: boolean, pauses: readonly PauseTicket[]): CliError {
  return new CliError({
    code: "RUN_PAUSED",
    exit: Exit.PAUSED,
    message: `The run waits for ${counted(pauses.length, "answer")}: ${pauses.map(({ reason }) => reason).join("; ")}`,
    hint: isDurable
      ? `penguiflow pauses ${flow} lists them, penguiflow resume answers`
      : "the flow is not durable, so the run ends here; at a terminal, it would ask",
  });
}

/** Prints a run as it happens: as text for people, or as lines of JSON. */
class Printer {
  readonly #io: Io;
  readonly #json: boolean;
  readonly #line: LineWriter;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.#json = json;
    this.#line = new LineWriter(io);
  }

  item(item: StreamItem<unknown>): void {
    if (item.type === "pause") return;
    if (this.#json) {
      // a result is sent without its message
      if (item.type === "result") printJson(this.#io, { type: "result", result: item.result }, true);
      else printJson(this.#io, { type: "chunk", chunk: item.chunk }, true);
    } else if (item.type === "chunk") this.#line.write(item.chunk.text ?? "");
    else {
      this.#line.endLine();
      this.#io.out(`${readable(item.result)}\n`);
    }
  }

  end(end: { readonly status: string; readonly error?: ErrorPayload; readonly pauses?: readonly PauseTicket[] }): void {
    this.#line.endLine();
    if (this.#json) printJson(this.#io, { type: "end", ...end }, true);
    else if (end.error !== undefined)
      this.#io.err(`${styled(this.#io, "red", "failed")} ${end.error.code}: ${end.error.message}\n`);
  }
}
