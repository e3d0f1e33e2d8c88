import { spawn } from "node:child_process";
import type { Io } from "../io.ts";

/** Package managers with which a project can be installed. */
export const PACKAGE_MANAGERS = ["npm", "pnpm", "yarn", "bun"] as const;

/** Name of a package manager. */
export type PackageManager = (typeof PACKAGE_MANAGERS)[number];

/** Returns the package manager that has started this program, else npm. */
export function packageManagerOf({ env }: Io): PackageManager {
  const agent = env["npm_config_user_agent"] ?? "";
  return PACKAGE_MANAGERS.find((name) => agent.startsWith(`${name}/`)) ?? "npm";
}

/** Runs a program in a folder, whose output goes to standard error. Resolves with whether it succeeded. */
export async function runIn(folder: string, program: string, args: readonly string[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ["ignore", process.stderr, process.stderr],
    // npm is a .cmd file there
    shell: process.platform === "win32",
  });
  child.on("error", () => resolve(false));
  child.on("close", (status) => resolve(status === 0));
  return await promise;
}
