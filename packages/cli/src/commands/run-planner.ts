import type { Answerer, Decision, PlanEvent, Question, ToolOutput } from "@penguiflow/planner";
import { CliError, Exit, type ExitStatus } from "../exit.ts";
import type { Io } from "../io.ts";
import type { AnyPlanner } from "../project/find-flows.ts";
import { LineWriter } from "../line-writer.ts";
import { counted, printJson, readable, styled } from "../text.ts";
import type { RunCall } from "./run.ts";

/** Name with which the person at the terminal answers. */
const BY = "terminal";

/** Longest part of a tool's arguments that is shown to a person. */
const SHOWN = 200;

/** Runs a planner once. Its answer goes to standard output as it streams, what it does to standard error. */
export async function runPlanner(io: Io, planner: AnyPlanner, input: string, call: RunCall): Promise<ExitStatus> {
  const { tenant, json, timeoutMs, options } = call;
  const print = new PlanPrinter(io, json);
  const who: Answerer = { tenant, by: BY };
  planner.start(options);
  try {
    let events = planner.stream(input, { tenant, timeoutMs, signal: io.signal });
    for (;;) {
      let last: PlanEvent<unknown> | undefined;
      for await (const event of events) {
        print.event(event);
        last = event;
      }
      if (last?.type === "end") return exitOf(io, last.end.status);
      const [question] = last?.type === "paused" ? last.questions : [];
      if (question === undefined) return Exit.FAILED;
      if (!io.canAsk)
        throw new CliError({
          code: "RUN_PAUSED",
          exit: Exit.PAUSED,
          message: `The run waits for ${counted(last?.type === "paused" ? last.questions.length : 1, "answer")}: ${question.reason}`,
          hint: "at a terminal, it would ask",
        });
      events = planner.resumeStream(question.token, await decisionOf(io, question), who);
    }
  } finally {
    await planner.flow.stop();
  }
}

function exitOf(io: Io, status: string): ExitStatus {
  if (io.signal.aborted) return Exit.INTERRUPTED;
  return status === "completed" ? Exit.OK : Exit.FAILED;
}

/** Asks the person at the terminal. */
async function decisionOf(io: Io, { kind, reason, tool, args, payload }: Question): Promise<Decision> {
  const about = payload === undefined ? "" : `\n${readable(payload)}`;
  if (kind !== "approval") return { value: await io.ask(`${tool} asks: ${reason}${about}\n> `) };
  const answer = await io.ask(`May ${tool} run? ${reason}\n${readable(args)}${about}\n[y]es, or no and why > `);
  if (/^y(?:es)?$/i.test(answer.trim())) return { approved: true };
  const why = answer.replace(/^no?\b[\s,:]*/i, "").trim();
  return why === "" ? { approved: false } : { approved: false, reason: why };
}

/** Prints the events of a planner's run. */
class PlanPrinter {
  readonly #io: Io;
  readonly #json: boolean;
  readonly #line: LineWriter;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.#json = json;
    this.#line = new LineWriter(io);
  }

  event(event: PlanEvent<unknown>): void {
    if (this.#json) {
      printJson(this.#io, event, true);
      return;
    }
    if (event.type === "text") {
      this.#line.write(event.delta);
      return;
    }
    if (event.type === "step" || event.type === "end") this.#line.endLine();
    const line = lineOf(event);
    if (line !== undefined) this.#io.err(`${styled(this.#io, "dim", line)}\n`);
    // a typed answer does not stream as text
    if (event.type === "end" && event.end.status === "completed" && typeof event.end.output !== "string")
      printJson(this.#io, event.end.output);
  }
}

/** Returns the line that tells a person of an event, if it deserves one. */
function lineOf(event: PlanEvent<unknown>): string | undefined {
  const within = event.path.map((name) => `${name} / `).join("");
  switch (event.type) {
    case "call":
      return `${within}calls ${event.tool} ${cut(JSON.stringify(event.args))}`;
    case "result":
      return `${within}${event.tool} ${resultText(event.output)}, ${Math.round(event.ms)} ms`;
    case "end": {
      const { status, spent } = event.end;
      const cost = spent.costUsd === 0 ? "" : `, ${spent.costUsd.toFixed(4)} $`;
      const why = "error" in event.end ? ` ${event.end.code}: ${event.end.error.message}` : "";
      return `${status}${why} (${counted(spent.steps, "model call")}, ${counted(spent.toolCalls, "tool call")}, ${spent.tokens} tokens${cost})`;
    }
    case "text":
    case "reasoning":
    case "progress":
    case "step":
    case "question":
    case "decision":
    case "critique":
    case "repair":
    case "compacted":
    case "steered":
    case "paused":
      return undefined;
  }
}

function resultText(output: ToolOutput): string {
  switch (output.kind) {
    case "text":
    case "json":
    case "content":
      return "is done";
    case "error":
      return `failed: ${output.code}: ${cut(output.text)}`;
    case "denied":
      return `was denied: ${cut(output.reason)}`;
    case "unknown":
      return "was cut off: nobody knows whether it is done";
  }
}

function cut(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}
