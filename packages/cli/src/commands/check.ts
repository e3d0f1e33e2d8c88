import { formatFindings, lintFlow } from "penguiflow/lint";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { Exit } from "../exit.ts";
import { flowOf, loadProject } from "../project/load-project.ts";
import { counted, printJson, styled } from "../text.ts";

export const check = command({
  name: "check",
  summary: "Loads the project and looks for mistakes in its flows that compile",
  words: [{ name: "flow", isOptional: true, help: "a flow's name; all flows when left out" }],
  flags: {
    strict: { type: "boolean", help: "warnings fail, too" },
    project: PROJECT_FLAG,
    json: JSON_FLAG,
  },
  examples: ["penguiflow check", "penguiflow check support --strict"],
  exits: [Exit.FAILED, Exit.NO_FLOW],
  async run({ words: [name], flags: { strict, project: folder, json }, io }) {
    const project = await loadProject(io, folder);
    const first = flowOf(project, name ?? project.flows[0]?.exported);
    const flows = name === undefined ? project.flows : [first];
    const checked = flows.map(({ name: flow, flow: graph }) => ({ flow, findings: lintFlow(graph) }));
    const all = checked.flatMap(({ findings }) => findings);
    if (json) printJson(io, checked);
    else
      for (const { flow, findings } of checked)
        io.out(
          `${styled(io, "bold", flow)}: ${findings.length === 0 ? "no findings" : counted(findings.length, "finding")}\n${findings.length === 0 ? "" : formatFindings(findings)}`,
        );
    return all.some(({ severity }) => strict || severity === "error") ? Exit.FAILED : Exit.OK;
  },
});
