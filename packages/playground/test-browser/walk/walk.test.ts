// The way of a newcomer, which docs/learn/0-two-minutes.md tells, from packed packages in an empty folder with the
// network off: `npm create penguiflow`, two messages, an approval with other arguments, a reload, a test of the run,
// which fails once the flow is changed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { read, run } from "../../../../scripts/workspace.ts";
import { openPage, useBrowser } from "../browser.ts";
import { see } from "../stage.ts";
import { PackageRegistry } from "./package-registry.ts";

/** Commands of the page, in their order. */
const COMMANDS = ["npm create penguiflow@latest my-agent", "cd my-agent", "npm run dev", "npm test", "npm run check"];
/** Messages that the page has its reader write. */
const MESSAGES = ["Where is order 4471?", "I want my money back, refund order 4471"] as const;

const browser = useBrowser();

/** An empty folder outside the repository, where commands run as in a shell of a machine without a network. */
class Desk implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), "penguiflow-walk-"));
  readonly #strayed = path.join(this.folder, "strayed.txt");
  readonly env: NodeJS.ProcessEnv;

  constructor(registry: string) {
    const guard = pathToFileURL(path.join(import.meta.dirname, "network-off-process.ts")).href;
    this.env = {
      PATH: [path.dirname(process.execPath), process.env["PATH"]].join(path.delimiter),
      HOME: this.folder,
      NODE_OPTIONS: `--import=${guard}`,
      NETWORK_OFF: this.#strayed,
      npm_config_registry: registry,
      npm_config_cache: path.join(this.folder, "cache"),
      npm_config_update_notifier: "false",
      npm_config_yes: "true",
    };
  }

  /** Lists the connections that were tried to other machines. */
  strayed(): string {
    return existsSync(this.#strayed) ? readFileSync(this.#strayed, "utf8") : "";
  }

  /** Runs a command line to its end. */
  async shell(command: string, folder = "."): Promise<{ readonly status: number; readonly output: string }> {
    const [program = "", ...args] = command.split(" ");
    return await run(program, args, { cwd: path.join(this.folder, folder), env: this.env, timeoutMs: 240_000 });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `npm run dev` in a project; ended with Ctrl-C. */
class Dev implements AsyncDisposable {
  readonly #process;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #hasEnded = false;

  constructor(desk: Desk, project: string) {
    this.#process = spawn("npm", ["run", "--silent", "dev", "--", "--port", "0", "--json"], {
      cwd: path.join(desk.folder, project),
      env: desk.env,
      stdio: ["ignore", "pipe", "inherit"],
      // a group of its own gets the signal, as from a terminal
      detached: true,
    });
    this.#ended = once(this.#process, "close").finally(() => (this.#hasEnded = true));
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async line<Line>(): Promise<Line> {
    return JSON.parse((await this.#lines.next()).value as string) as Line;
  }

  /** Ends it as Ctrl-C does; npm reports the signal in place of the status. */
  async stop(): Promise<void> {
    if (!this.#hasEnded) process.kill(-this.#process.pid!, "SIGINT");
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

test("the page on the first two minutes has the commands and messages of this walk", () => {
  const page = read("docs/learn/0-two-minutes.md");
  const blocks = Array.from(page.matchAll(/^```sh\n(.*?)^```/gms), ([, block = ""]) => block.trim().split("\n"));
  expect(blocks.flat()).toEqual(COMMANDS);
  for (const message of MESSAGES) expect(page).toContain(`\`${message}\``);
});

test(
  "a newcomer without a network makes a project, talks, approves, reloads, and keeps a test that can fail",
  { timeout: 600_000 },
  async () => {
    const built = await run(process.execPath, ["scripts/build.ts"]);
    expect(built).toMatchObject({ status: 0 });
    await using registry = await PackageRegistry.start();
    using desk = new Desk(registry.url);

    const made = await desk.shell(COMMANDS[0]!);
    expect(made).toMatchObject({ status: 0 });
    expect(made.output).toMatch(/cd my-agent\s+npm run dev\s+npm run test/);

    await using dev = new Dev(desk, "my-agent");
    const { url } = await dev.line<{ url: string }>();
    expect(await dev.line()).toMatchObject({ type: "ready", flows: ["support"] });
    const { page, context, complaints, strayed } = await openPage(browser(), new URL(url).origin);
    await page.goto(url);
    const box = page.getByRole("textbox", { name: "Message support" });
    await box.fill(MESSAGES[0]);
    await page.keyboard.press("Enter");
    await see(page, "Order 4471 is on its way");
    await expect.poll(() => box.isEnabled()).toBe(true);
    await box.fill(MESSAGES[1]);
    await page.keyboard.press("Enter");
    await page.getByLabel("euros").fill("20");
    await page.getByRole("button", { name: "Approve with changes" }).click();
    await see(page, "Order 4471 is paid back");
    await page.reload();
    await see(page, "Order 4471 is paid back");
    await page.getByText("refund", { exact: true }).click();
    await see(page, "20.00 € are paid back for order 4471");

    await page.locator(".turn").last().locator('a[href^="/runs/support/"]').first().click();
    await page.getByRole("button", { name: "Make a test" }).click();
    await see(page, "Passes as it is");
    await see(page, "Fails when its exit node is broken");
    await page.getByRole("button", { name: /^Write test/ }).click();
    await see(page, "Written.");
    expect([complaints, strayed]).toEqual([[], []]);
    await context.close();
    await dev.stop();

    const project = path.join(desk.folder, "my-agent");
    const tests = readdirSync(path.join(project, "test")).filter((file) => file.startsWith("support-"));
    expect(tests).toHaveLength(1);
    const passed = await desk.shell("npm test", "my-agent");
    expect(passed).toMatchObject({ status: 0 });
    expect(passed.output).toContain("support: I want my money back");
    const checked = await desk.shell("npm run check", "my-agent");
    expect(checked).toMatchObject({ status: 0 });

    // the answer to the question no longer fits the tool
    const tools = path.join(project, "src/tools.ts");
    writeFileSync(tools, readFileSync(tools, "utf8").replace("approval: true", "approval: false"));
    const failed = await desk.shell(`node --test test/${tests[0]}`, "my-agent");
    expect(failed).not.toMatchObject({ status: 0 });
    expect(failed.output).toContain("support: I want my money back");
    expect(desk.strayed()).toBe("");
  },
);
