// The process that runs a project under `penguiflow dev`. It is started with the folder of the project.
import { setSourceMapsSupport } from "node:module";
import { CliError } from "../../exit.ts";
import { reasonOf } from "../../project/load-error.ts";
import type { FromChild, ToChild } from "../ipc/messages.ts";
import { Host, NoFlow } from "./host.ts";
import { refusalOf } from "./refusal.ts";

const [, , root = process.cwd()] = process.argv;
process.chdir(root);
// of the project's own files alone: to read those of its packages takes longer than to load it
setSourceMapsSupport(true, { nodeModules: false });

// without a channel the supervisor has ended: so does this process
process.on("disconnect", () => process.exit(0));
// Ctrl-C goes to the whole group: the supervisor ends this process, after its runs
process.on("SIGINT", () => {});

const send = (message: FromChild, sent?: () => void): void => {
  if (process.connected) process.send?.(message, undefined, undefined, sent === undefined ? undefined : () => sent());
};

process.on("uncaughtException", (error) => {
  process.stderr.write(`${error.stack ?? String(error)}\n`);
  send({ type: "crashed", fault: reasonOf(error, root) }, () => process.exit(1));
});

const host = new Host(root, send);

process.on("message", ({ id, ask }: ToChild) => {
  host.answer(ask).then(
    (value) => send({ type: "answer", id, value }),
    (error: unknown) => {
      const { code, message, details } = refusalOf(error);
      send({ type: "refusal", id, code, message, details });
    },
  );
});

try {
  await host.load();
} catch (error) {
  const fault = reasonOf(error, root);
  const isMissing = error instanceof NoFlow || (error instanceof CliError && error.code !== "LOAD_FAILED");
  send({ type: "broken", fault, isMissing }, () => process.exit(1));
}
