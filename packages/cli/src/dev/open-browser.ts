import { spawn } from "node:child_process";

/** Opens an address in the person's browser, if there is one. */
export function openBrowser(url: string): void {
  const [program, ...args] = commandOf(process.platform);
  const browser = spawn(program, [...args, url], { stdio: "ignore", detached: true });
  // the address is printed as well
  browser.once("error", () => {});
  browser.unref();
}

function commandOf(platform: NodeJS.Platform): readonly [string, ...string[]] {
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["cmd", "/c", "start", ""];
  return ["xdg-open"];
}
