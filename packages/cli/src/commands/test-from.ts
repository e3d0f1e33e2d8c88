import path from "node:path";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { makeTest } from "../dev/make-test/make-test.ts";
import { ApiError } from "../dev/server/api-error.ts";
import { runNamed, withDevRuns } from "../dev/store/with-dev-runs.ts";
import { Supervisor } from "../dev/supervisor/supervisor.ts";
import { CliError, Exit, type ExitStatus } from "../exit.ts";
import { printJson, styled } from "../text.ts";

export const testFrom = command({
  name: "test-from",
  summary: "Makes a test of a run that penguiflow dev has kept, and proves it",
  about:
    "Nodes that read or write give what they gave, the model of a planner answers from a script, and a person's answers are given again. The test is kept if it passes as it is, and fails with the exit node broken.",
  words: [{ name: "run", help: "id of the run, or the beginning of it" }],
  flags: {
    runner: {
      type: "string",
      choices: ["vitest", "node:test"],
      help: "test runner; that of the project when left out",
    },
    output: { type: "string", short: "o", value: "file", help: "file of the test, in the project" },
    project: PROJECT_FLAG,
    json: JSON_FLAG,
  },
  examples: ["penguiflow test-from 3001f0ec", "penguiflow test-from 3001f0ec -o test/refund.test.ts"],
  exits: [Exit.FAILED, Exit.EXISTS, Exit.NO_FLOW, Exit.UNKNOWN],
  async run({ words: [id = ""], flags: { runner, output, project, json }, io }) {
    const root = path.resolve(io.cwd, project);
    const { place } = withDevRuns(io, project, (runs) => runNamed(runs, id));
    const loaded = Promise.withResolvers<void>();
    const fail = ({
      message,
      code,
      hint,
    }: {
      readonly message: string;
      readonly code: string;
      readonly hint?: string;
    }): void => loaded.reject(new CliError({ code, exit: Exit.NO_FLOW, message, hint }));
    const supervisor = new Supervisor({
      root,
      env: io.env,
      reloads: false,
      isOwner: false,
      onReady: () => loaded.resolve(),
      onOverlay: (overlay) => overlay && fail(overlay),
      onMissing: fail,
      onOutput: (_, text) => io.err(text),
      onSettings: () => {},
    });
    try {
      supervisor.start();
      await loaded.promise;
      const wish = { write: true, ...(runner !== undefined && { runner }) };
      const made = await makeTest(supervisor, supervisor.runs.get(place.flow, place.runId), wish, output);
      if (json) printJson(io, made);
      else if (made.isWritten) io.out(`${made.path}\n`);
      else
        io.err(
          `${styled(io, "red", "error")} ${made.proof.passes ? "The test does not notice that its exit node is broken" : "The test does not pass"}: it is not kept\n${made.proof.output}\n`,
        );
      return made.isWritten ? Exit.OK : Exit.FAILED;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      throw new CliError({ code: error.code, exit: exitOf(error), message: error.message });
    } finally {
      await supervisor.close(0);
    }
  },
});

function exitOf({ code }: ApiError): ExitStatus {
  if (code === "FILE_EXISTS") return Exit.EXISTS;
  return code === "RUN_UNKNOWN" || code === "FLOW_UNKNOWN" ? Exit.UNKNOWN : Exit.FAILED;
}
