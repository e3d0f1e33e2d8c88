import { once } from "node:events";
import { readFile, symlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { BIRDS } from "./made-library.ts";
import { makeFolder } from "./made-folder.ts";
import { runCommand, startCommand } from "./run-command.ts";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const BINARY = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 1, 2);

// each test starts a process, some several
describe("ask-docs", { timeout: 60_000 }, () => {
  test("answers with sentences, their places and its sources", async () => {
    await using folder = await makeFolder(BIRDS);
    const { status, stdout, stderr } = await runCommand(["--dir", folder.path, "--question", "Where is krill caught?"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^Where is krill caught\?\n\n {2}The krill is caught near the ice\. \(penguins\.md:7\)\n\nSources\n +[\d.]+ {2}penguins\.md:7 {2}Penguins › Food\n$/,
    );
    expect(stderr).toMatch(
      /^Reading 4 files of .*\nIndexed 4 files, 5 passages in \d+\.\d s\nSearch 1: by the words of the question\n$/,
    );
  });

  test("searches wider when it is not sure, and says what it did not find", async () => {
    await using folder = await makeFolder(BIRDS);
    const near = await runCommand(["--dir", folder.path, "--question", "Do penguis swim?"]);
    expect(near.status).toBe(0);
    expect(near.stdout).toContain("Penguins are birds that swim. (penguins.md:3)");
    expect(near.stderr).toContain("Search 2: by near spellings as well\n");
    expect(near.stderr).not.toContain("Search 3");

    const partly = await runCommand(["--dir", folder.path, "--question", "Do zebras eat krill?"]);
    expect(partly.status).toBe(0);
    expect(partly.stdout).toContain(`Nothing was found for "zebras"; this is about the rest.\n`);
    expect(partly.stdout).toContain("Penguins eat fish and krill. (penguins.md:7)");
    expect(partly.stderr).toContain("Search 3: ");
  });

  test("answers through a planner whose tool is the retrieving flow, offline", async () => {
    await using folder = await makeFolder(BIRDS);
    const ask = async (question: string) =>
      await runCommand(["--planner", "--dir", folder.path, "--question", question]);
    const { status, stdout, stderr } = await ask("Where is krill caught?");
    expect(status).toBe(0);
    expect(stdout).toBe("Where is krill caught?\n\n  The krill is caught near the ice. (penguins.md:7)\n");
    expect(stderr).toContain("The planner searches for: Where is krill caught?\n");
    const nothing = await ask("quarks");
    expect([nothing.status, nothing.stdout]).toEqual([1, ""]);
  });

  test("takes a folder relative to where it is called", async () => {
    await using folder = await makeFolder(BIRDS);
    const { status, stdout } = await runCommand(["--dir", "notes", "--question", "swifts"], folder.path);
    expect(status).toBe(0);
    expect(stdout).toContain("(swifts.md:3)");
  });

  test("asks itself a question that suits the folder when nobody is there to ask", async () => {
    await using folder = await makeFolder({
      ...BIRDS,
      "README.md": "# The birds of the bay\n\nBirds of the bay, counted in spring.",
    });
    const { status, stdout, stderr } = await runCommand(["--dir", folder.path]);
    expect(status).toBe(0);
    expect(stderr).toContain(`No question given, so this one: What is "The birds of the bay" about?\n`);
    expect(stdout).toContain("(README.md:3)");
  });

  test("leaves out what it cannot read, answers from the rest and lists it with reasons", async () => {
    await using folder = await makeFolder({
      ...BIRDS,
      "binary.md": BINARY,
      "empty.md": "",
      "headings.md": "# Nothing else",
      "large.txt": "x".repeat(5_000_001),
      "latin.txt": Uint8Array.of(0x47, 0x72, 0xfc, 0x6e),
    });
    await symlink("nowhere", folder.at("dangling.md"));
    const { status, stdout, stderr } = await runCommand(["--dir", folder.path, "--question", "Where is krill caught?"]);
    expect(status).toBe(0);
    expect(stdout).toContain("(penguins.md:7)");
    expect(stderr).toContain("Indexed 4 files, 5 passages");
    expect(stderr.slice(stderr.indexOf("\nLeft out"))).toBe(
      `
Left out 6:
  dangling.md: it is missing, or a link to something missing
  binary.md: it is binary, not text (byte 4 is zero)
  empty.md: it is empty
  headings.md: it has headings but no text
  large.txt: it is too large: 5.0 MB, the limit is 5.0 MB
  latin.txt: it is not UTF-8 text
`,
    );
  });

  test("says so when nothing answers the question", async () => {
    await using folder = await makeFolder(BIRDS);
    const { status, stdout, stderr } = await runCommand([
      "--dir",
      folder.path,
      "--question",
      "quantum chromodynamics?",
    ]);
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(
      `Cannot answer "quantum chromodynamics?": nothing in "${folder.path}" matches it; try other words\n`,
    );
  });

  test("refuses a folder that is missing, a file, or without a document", async () => {
    await using folder = await makeFolder({ "a.md": "a", "empty/code.ts": "x", "bad/a.md": BINARY });
    const missing = await runCommand(["--dir", folder.at("nope"), "--question", "x"]);
    expect(missing).toEqual({
      status: 66,
      stdout: "",
      stderr: `Cannot read the folder "${folder.at("nope")}": there is no such folder\n`,
    });
    const file = await runCommand(["--dir", folder.at("a.md"), "--question", "x"]);
    expect(file.status).toBe(66);
    expect(file.stderr).toBe(
      `Cannot read the folder "${folder.at("a.md")}": it is not a folder; name the folder it is in\n`,
    );
    const empty = await runCommand(["--dir", folder.at("empty"), "--question", "x"]);
    expect(empty.status).toBe(66);
    expect(empty.stderr).toBe(`Cannot answer from "${folder.at("empty")}": it holds no Markdown or text file\n`);
    const bad = await runCommand(["--dir", folder.at("bad"), "--question", "x"]);
    expect(bad.status).toBe(66);
    expect(bad.stderr).toContain("Left out 1:\n  a.md: it is binary, not text (byte 4 is zero)\n");
    expect(bad.stderr).toContain(`Cannot answer from "${folder.at("bad")}": none of its documents could be read\n`);
  });

  test("refuses an empty question and an unknown option before it reads anything", async () => {
    const empty = await runCommand(["--question", ""]);
    expect(empty).toEqual({
      status: 2,
      stdout: "",
      stderr: `Option "--question" must hold at least one word: got ""\nRun "npm start -- --help" for its options\n`,
    });
    const unknown = await runCommand(["--qestion", "x"]);
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain(`Unknown option "--qestion"\n`);
  });

  test("prints its help", async () => {
    const { status, stdout, stderr } = await runCommand(["--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("--question");
    expect(stdout).toMatch(/66 +nothing to read/);
  });

  test("draws its flows before the answer", async () => {
    await using folder = await makeFolder(BIRDS);
    const { status, stdout } = await runCommand(["--dir", folder.path, "--question", "krill", "--draw"]);
    expect(status).toBe(0);
    expect(stdout.match(/```mermaid\nflowchart/g)).toHaveLength(3);
    for (const node of ["read", "split", "tokenise", "index", "ask", "plan", "compose", "search", "weigh"]) {
      expect(stdout).toContain(`"${node}`);
    }
    expect(stdout.indexOf("(penguins.md:7)")).toBeGreaterThan(stdout.lastIndexOf("```"));
  });

  test("stops when it is interrupted", async () => {
    const words = "several words that fill a line of a long document about nothing at all\n".repeat(20_000);
    await using folder = await makeFolder(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${n}.md`, words])));
    const child = startCommand(["--dir", folder.path, "--question", "words"]);
    const closed = once(child, "close");
    child.stderr.once("data", () => child.kill("SIGINT"));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(await closed).toEqual([130, null]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/Interrupted\n$/);
  });

  test("does not mind a reader that has seen enough", async () => {
    await using folder = await makeFolder(BIRDS);
    const child = startCommand(["--dir", folder.path, "--question", "krill"]);
    const closed = once(child, "close");
    child.stdout.destroy();
    const stderr = await text(child.stderr);
    expect(stderr).not.toContain("EPIPE");
    expect((await closed)[0]).toBe(0);
  });

  test("answers from this repository's own documents", async () => {
    const { status, stdout, stderr } = await runCommand([]);
    expect(status).toBe(0);
    expect(stderr).toContain(`No question given, so this one: What happens when an edge is full?\n`);
    const [, file = "", line = ""] = /\(([^\s()]+):(\d+)\)$/m.exec(stdout) ?? [];
    const cited = (await readFile(path.join(REPOSITORY, file), "utf8")).split("\n")[Number(line) - 1];
    expect(cited).toMatch(/full|edge/i);
  });
});
