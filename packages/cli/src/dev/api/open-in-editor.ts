import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { ApiError } from "../server/api-error.ts";

/** Editors that open a place in a file, with their arguments. */
const EDITORS: Readonly<Record<string, (file: string, line: number) => string[]>> = {
  code: (file, line) => ["--goto", `${file}:${line}`],
  codium: (file, line) => ["--goto", `${file}:${line}`],
  cursor: (file, line) => ["--goto", `${file}:${line}`],
  windsurf: (file, line) => ["--goto", `${file}:${line}`],
  zed: (file, line) => [`${file}:${line}`],
  subl: (file, line) => [`${file}:${line}`],
  idea: (file, line) => ["--line", String(line), file],
  webstorm: (file, line) => ["--line", String(line), file],
  emacsclient: (file, line) => ["--no-wait", `+${line}`, file],
};

/**
 * Opens a file of the project in the editor that `PENGUIFLOW_EDITOR`, `VISUAL` or `EDITOR` names, else in VS Code.
 *
 * @throws ApiError `FORBIDDEN` for a file that is none of the project's, `INTERNAL` if there is no such editor
 */
export async function openInEditor(root: string, name: string, line: number): Promise<void> {
  const file = path.resolve(root, name);
  // a link may lead out of the project
  const isOwn = existsSync(file) && realpathSync(file).startsWith(realpathSync(root) + path.sep);
  if (!isOwn) throw new ApiError("FORBIDDEN", "Only files of the project are opened");
  const { PENGUIFLOW_EDITOR, VISUAL, EDITOR } = process.env;
  const [program = "code", ...args] = (PENGUIFLOW_EDITOR ?? VISUAL ?? EDITOR ?? "code")
    .split(" ")
    .filter((word) => word !== "");
  const place = EDITORS[path.basename(program)] ?? ((opened: string) => [opened]);
  const editor = spawn(program, [...args, ...place(file, line)], { stdio: "ignore", detached: true });
  await new Promise<void>((resolve, reject) => {
    editor.once("spawn", resolve);
    editor.once("error", () => {
      reject(new ApiError("INTERNAL", `Cannot start the editor "${program}": set PENGUIFLOW_EDITOR to its command`));
    });
  });
  editor.unref();
}
