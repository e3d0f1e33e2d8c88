import { command, type Command } from "../command-line/command.ts";
import { completionScript, SHELLS } from "../command-line/completion.ts";
import { helpOf, overview } from "../command-line/help.ts";
import { meant } from "../command-line/nearest.ts";
import { usage } from "../command-line/parse.ts";
import { Exit } from "../exit.ts";

/** Makes the commands that tell of the others. */
export function aboutCommands(commands: () => readonly Command[]): readonly Command[] {
  return [
    command({
      name: "completion",
      summary: "Prints a script that completes commands and options in a shell",
      words: [{ name: "shell", help: SHELLS.join(", ") }],
      flags: {},
      examples: ['eval "$(penguiflow completion bash)"', "penguiflow completion fish | source"],
      exits: [],
      async run({ words: [shell = ""], io }) {
        const known = SHELLS.find((name) => name === shell);
        if (known === undefined)
          throw usage(`Unknown shell "${shell}": expected one of ${SHELLS.join(", ")}${meant(shell, SHELLS)}`);
        io.out(completionScript(known, commands()));
        return Exit.OK;
      },
    }),
    command({
      name: "help",
      summary: "Explains a command",
      words: [
        { name: "command", isOptional: true, help: "a command; all when left out" },
        { name: "part", isOptional: true, help: "its second word" },
      ],
      flags: {},
      examples: ["penguiflow help run"],
      exits: [],
      async run({ words, io }) {
        const name = words.join(" ");
        const found = commands().find((each) => each.name === name);
        if (name !== "" && found === undefined)
          throw usage(
            `Unknown command "${name}"${meant(
              name,
              commands().map((each) => each.name),
            )}`,
          );
        io.out(found === undefined ? overview(commands()) : helpOf(found));
        return Exit.OK;
      },
    }),
  ];
}
