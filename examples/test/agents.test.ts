import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { main as sumUp } from "../agent-mcp/main.ts";
import { main as remember } from "../agent-memory/main.ts";
import { main as buy } from "../agent-openapi/main.ts";
import { main as recall } from "../agent-recall/main.ts";
import { main as plan } from "../agent-team/main.ts";
import { quietly } from "./quietly.ts";
import { runExample } from "./run-example.ts";

test("the quickstart calls its tools and answers from what they gave", async () => {
  const { status, stdout, stderr } = await runExample("agent-quickstart");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain('calls read_guide {"name":"wait-for-a-person"}');
  expect(stdout).toContain("The guide says: `ctx.pause` asks a question and waits for the answer");
  expect(stdout).toContain("completed: 3 model calls, 2 tool calls");
}, 60_000);

test("a team shares one budget, and its lead has the answers of all", async () => {
  expect(await quietly(plan)).toEqual({
    answer: "Take the train, for 89 euros. Take the tent, for 35 euros.",
    steps: 6,
    toolCalls: 6,
  });
});

test("a thread outlasts the program, and no user sees that of another", async () => {
  expect(await quietly(remember)).toEqual(["Your name is Anna.", "I do not know your name.", "Your name is Anna."]);
});

test("what a user has said in one conversation is recalled in another, and not to other users", async () => {
  expect(await quietly(recall)).toEqual([
    "I shall remember it.",
    "You have told me: On a train I sit at the window.",
    "I know nothing about that.",
  ]);
});

test("a bill is asked for in one process, approved with another amount in a second one, and paid once", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "agent-approval-"));
  const run = async (program: "ask" | "answer", ...args: readonly string[]): Promise<string> => {
    const file = fileURLToPath(new URL(`../agent-approval/${program}.ts`, import.meta.url));
    const child = spawn(process.execPath, ["--conditions=@penguiflow/source", file, ...args], {
      env: { ...process.env, AGENT_FOLDER: folder, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    return await text(child.stdout);
  };
  try {
    expect(await run("ask")).toContain('Approve "pay" {"bill":"2026-117","cents":24050}?');
    const answered = await run("answer", "240.00", "maria");
    expect(answered).toContain("The bill of the coal merchant is paid.\n3 model calls in both processes");
    expect(await run("answer")).toBe("Nothing waits.\n");
    const book = await readFile(path.join(folder, "bank.txt"), "utf8");
    expect(book.trimEnd().split("\n")).toEqual([expect.stringMatching(/ bill 2026-117: 240\.00 €$/)]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);

test("an agent works on files through an MCP server, and writes what a person has approved", async () => {
  const notes = { "monday.txt": "Ping has ordered ice.\n", "tuesday.txt": "The ice has melted. Order again!\n" };
  expect(await quietly(sumUp)).toEqual({
    answer: "I have put both notes into summary.txt.",
    files: { ...notes, "summary.txt": Object.values(notes).join("") },
  });
}, 60_000);

test("an agent calls the operations of an OpenAPI document that are named, one of them as a person has changed it", async () => {
  expect(await quietly(buy)).toEqual({
    answer: "Pingu likes ice. He is ordered.",
    called: ["findPetsByStatus", "getPetById", "placeOrder"],
    order: { kind: "json", value: { id: 10, petId: 7, quantity: 1, status: "placed" } },
  });
});
