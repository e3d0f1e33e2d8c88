import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const folder = path.resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(folder, file), "utf8");

test("each line of the checklist names tests that exist", () => {
  const [, section = ""] = read("README.md").split("## The checklist of the guide");
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| -"));
  expect(rows.length).toBe(19);
  let shown = "";
  const wrong = rows.slice(1).filter((row) => {
    const cell = row.split("|").at(3)?.trim() ?? "";
    // "the same" is the cell above
    shown = cell === "the same" ? shown : cell;
    const [, file = ""] = /\]\((.+?)\)/.exec(shown) ?? [];
    const names = [...shown.matchAll(/“(.+?)”/g)].map(([, name]) => name);
    return (
      !existsSync(path.join(folder, file)) ||
      names.length === 0 ||
      !names.every((name) => read(file).includes(`test("${name}"`))
    );
  });
  expect(wrong).toEqual([]);
});

test("the container file has known instructions, a user of its own and lists for commands", () => {
  const lines = read("Containerfile")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const instructions = lines.map((line) => /^([A-Z]+) (.+)$/.exec(line));
  const known = ["FROM", "ARG", "ENV", "WORKDIR", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"];
  expect(instructions.map((one) => one?.[1])).toEqual(expect.arrayContaining(known));
  expect(instructions.filter((one) => !known.includes(one?.[1] ?? ""))).toEqual([]);
  expect(instructions.findIndex((one) => one?.[1] === "USER")).toBeLessThan(
    instructions.findIndex((one) => one?.[1] === "CMD"),
  );
  const of = (name: string): string => instructions.find((one) => one?.[1] === name)?.[2] ?? "";
  expect(JSON.parse(of("CMD"))).toEqual(["memory-service", "serve", "--keys", "--host", "0.0.0.0"]);
  expect(JSON.parse(of("HEALTHCHECK").replace("CMD ", ""))).toHaveLength(3);
  const { version } = JSON.parse(read("package.json")) as { readonly version: string };
  expect(of("ARG")).toBe(`VERSION=${version}`);
});

test("the guide starts the same command in every client", () => {
  const guide = read("../../docs/guides/coding-agent-memory.md");
  const args = ["-y", "@penguiflow/memory-service", "mcp"];
  const server = { command: "npx", args };
  const json = [...guide.matchAll(/```json\n([\s\S]+?)```/g)].map(([, text = ""]) => JSON.parse(text) as unknown);
  expect(json).toEqual([{ mcpServers: { memory: server } }, { servers: { memory: { type: "stdio", ...server } } }]);
  expect(guide).toContain(`[mcp_servers.memory]\ncommand = "npx"\nargs = ["${args.join('", "')}"]`);
  const added = [...guide.matchAll(/ mcp add .*-- npx (.+?)[`\n]/g)].map(([, words]) => words);
  expect(added).toEqual([args.join(" "), args.join(" ")]);
});
