import { DEFAULT_TENANT } from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { toolsOf } from "../dev/child/tool-try.ts";
import { Exit } from "../exit.ts";
import { loadProject } from "../project/load-project.ts";
import { printJson, styled, table } from "../text.ts";

export const toolsList = command({
  name: "tools list",
  summary: "Lists the tools of the project's planners, with what they do and who is asked",
  words: [],
  flags: { project: PROJECT_FLAG, json: JSON_FLAG },
  examples: ["penguiflow tools list --json"],
  exits: [Exit.NO_FLOW, Exit.UNREACHABLE],
  async run({ flags: { project, json }, io }) {
    const { flows } = await loadProject(io, project);
    const views = await Promise.all(
      flows.flatMap(({ planner }) => (planner === undefined ? [] : [toolsOf(planner, DEFAULT_TENANT)])),
    );
    const tools = views.flatMap((view) => view.tools).map(({ calls: _, errors: __, ...tool }) => tool);
    const failed = views.flatMap(({ sources }) => sources.filter(({ state }) => state === "failed"));
    if (json) printJson(io, { tools, unreachable: failed.map(({ name, flow }) => ({ name, flow })) });
    else if (tools.length > 0)
      io.out(
        table([
          ["TOOL", "PLANNER", "SOURCE", "EFFECTS", "ASKS", "DESCRIPTION"],
          ...tools.map(({ name, flow, source, effects = "", approval = "", description = "" }) => [
            name,
            flow,
            source,
            effects,
            approval,
            description,
          ]),
        ]),
      );
    else io.err("There are no tools\n");
    for (const { name, flow } of failed)
      io.err(`${styled(io, "red", "error")} Source "${name}" of planner "${flow}" cannot be reached\n`);
    return failed.length > 0 ? Exit.UNREACHABLE : Exit.OK;
  },
});
