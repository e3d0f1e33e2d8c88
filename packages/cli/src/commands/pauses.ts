import { FlowError, FlowErrorCode, type PauseTicket } from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { CliError, Exit, type ExitStatus } from "../exit.ts";
import type { AnyFlow } from "../project/any-flow.ts";
import { flowOf, loadProject, type Project } from "../project/load-project.ts";
import { parsed, printJson, readable, table } from "../text.ts";

const FLAGS = {
  flow: { type: "string", value: "name", help: "a flow's name; may be left out where there is one" },
  tenant: TENANT_FLAG,
  project: PROJECT_FLAG,
  json: JSON_FLAG,
} as const;

export const pauses = command({
  name: "pauses",
  summary: "Lists the open questions of a durable flow",
  about: "Runs the flow, which goes on with what it has left: no other process may have its checkpoint store.",
  words: [],
  flags: FLAGS,
  examples: ["penguiflow pauses --flow orders"],
  exits: [Exit.FAILED, Exit.NO_FLOW],
  async run({ flags: { flow: name, tenant, project: folder, json }, io }) {
    return await withFlow(await loadProject(io, folder), name, async (flow) => {
      const open = await flow.pauses.list({ tenant });
      if (json) printJson(io, open);
      else if (open.length === 0) io.err("Nothing waits for an answer\n");
      else io.out(table([["TOKEN", "TRACE", "NODE", "REASON"], ...open.map(rowOf)]));
      return Exit.OK;
    });
  },
});

export const resume = command({
  name: "resume",
  summary: "Answers a question of a durable flow, and prints how its run goes on",
  about: "Runs the flow as pauses does. The answer is JSON, or plain text where it is no JSON.",
  words: [
    { name: "token", help: "token of the question" },
    { name: "value", help: "the answer" },
  ],
  flags: FLAGS,
  examples: ["penguiflow resume 6f1c… true --flow orders"],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.PAUSED, Exit.UNKNOWN, Exit.REFUSED],
  async run({ words: [token = "", value = ""], flags: { flow: name, tenant, project: folder, json }, io }) {
    return await withFlow(await loadProject(io, folder), name, async (flow) => {
      const outcome = await flow.pauses.resume(token, parsed(value), { tenant }).catch((error: unknown) => {
        throw refusal(error) ?? error;
      });
      const { status, results, traceId } = outcome;
      const error = outcome.status === "completed" ? undefined : outcome.error;
      if (json) printJson(io, { traceId, status, results, error });
      else {
        for (const result of results) io.out(`${readable(result)}\n`);
        io.err(`${status}${error === undefined ? "" : `: ${error.message}`}\n`);
      }
      return status === "completed" ? Exit.OK : status === "paused" ? Exit.PAUSED : Exit.FAILED;
    });
  },
});

/** Runs a flow of a project for one purpose, and stops it. */
async function withFlow(
  project: Project,
  name: string | undefined,
  use: (flow: AnyFlow) => Promise<ExitStatus>,
): Promise<ExitStatus> {
  const { flow } = flowOf(project, name);
  if (!flow.isDurable)
    throw new CliError({
      code: "FLOW_NOT_DURABLE",
      exit: Exit.FAILED,
      message: `Flow "${flow.name}" is not durable: its pauses end with their process`,
      hint: "create it with durability: durable({ checkpoints, partition })",
    });
  flow.run((await project.config.run?.(flow)) ?? {});
  try {
    await flow.ready();
    return await use(flow);
  } catch (error) {
    if (error instanceof FlowError && error.code === FlowErrorCode.PARTITION_LEASED)
      throw new CliError({
        code: error.code,
        exit: Exit.FAILED,
        message: `Another process runs flow "${flow.name}": answer there, or stop it first`,
        cause: error,
      });
    throw error;
  } finally {
    await flow.stop();
  }
}

const rowOf = ({ token, traceId, node, reason }: PauseTicket & { readonly traceId: string }): string[] => [
  token,
  traceId,
  node,
  reason,
];

/** Returns the error of an answer that the flow refuses. */
function refusal(error: unknown): CliError | undefined {
  if (!(error instanceof FlowError)) return undefined;
  const { code, message } = error;
  if (code === FlowErrorCode.PAUSE_UNKNOWN || code === FlowErrorCode.PAUSE_FOREIGN)
    return new CliError({ code, exit: Exit.UNKNOWN, message, hint: "penguiflow pauses lists the open questions" });
  const refused: readonly string[] = [
    FlowErrorCode.PAUSE_USED,
    FlowErrorCode.PAUSE_EXPIRED,
    FlowErrorCode.RESUME_INVALID,
  ];
  return refused.includes(code) ? new CliError({ code, exit: Exit.REFUSED, message }) : undefined;
}
