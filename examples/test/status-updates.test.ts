import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { main } from "../status-updates/main.ts";
import { quietly } from "./quietly.ts";

test("tells its plan first, then each step, then the answer it returns", async () => {
  const { told, answer } = await quietly(() => main("docs/learn"));
  expect(told.slice(0, 9)).toEqual([
    ...["planned read", "planned collect", "planned check"],
    ...["begun   read", "done    read", "begun   collect", "done    collect", "begun   check", "done    check"],
  ]);
  expect(told.slice(9).join("\n")).toBe(answer?.text);
  expect(answer?.text).toMatch(/^[1-9]\d* links, 0 of them broken$/);
});

test("finds links that lead nowhere", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "links-"));
  await writeFile(path.join(folder, "page.md"), "One leads [home](page.md#top), one leads [nowhere](nowhere.md).\n");
  const { answer } = await quietly(() => main(folder));
  await rm(folder, { recursive: true });
  expect(answer?.text).toMatch(/^2 links, 1 of them broken\n/);
  expect(answer?.citations).toEqual([`${folder}/page.md → nowhere.md`]);
});
