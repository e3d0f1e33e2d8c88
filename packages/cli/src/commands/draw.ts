import { flowToDot, flowToMermaid, graphToJson } from "penguiflow";
import { command } from "../command-line/command.ts";
import { PROJECT_FLAG } from "../command-line/flags.ts";
import { Exit } from "../exit.ts";
import { flowOf, loadProject } from "../project/load-project.ts";
import { printJson } from "../text.ts";

export const draw = command({
  name: "draw",
  summary: "Prints a flow's graph, as a picture or in text",
  words: [{ name: "flow", isOptional: true, help: "a flow's name; may be left out where there is one" }],
  flags: {
    format: {
      type: "string",
      choices: ["mermaid", "dot", "json", "svg"],
      default: "mermaid",
      help: "language of the picture; an svg suits light and dark pages",
    },
    project: PROJECT_FLAG,
  },
  examples: ["penguiflow draw > flow.mmd", "penguiflow draw support --format svg > support.svg"],
  exits: [Exit.NO_FLOW],
  async run({ words: [name], flags: { format, project: folder }, io }) {
    const { flow } = flowOf(await loadProject(io, folder), name);
    if (format === "json") printJson(io, graphToJson(flow));
    else if (format === "svg") {
      // the layout is needed here alone
      const { drawGraph } = await import("@penguiflow/playground/draw");
      io.out(await drawGraph(graphToJson(flow)));
    } else io.out(`${(format === "dot" ? flowToDot(flow) : flowToMermaid(flow)).trimEnd()}\n`);
    return Exit.OK;
  },
});
