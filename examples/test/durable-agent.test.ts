import { expect, test } from "vitest";
import { main } from "../durable-agent/main.ts";
import { quietly } from "./quietly.ts";

test("goes on in three processes, and does nothing twice", async () => {
  const said = (await quietly(main)).map((line) => line.replaceAll(/\d+ kB/g, "some kB"));
  expect(said).toEqual([
    "process 1 measures docs/learn",
    "process 1 measures docs/guides",
    "process 1 is killed, with 2 open",
    'process 2 answers "Pack docs/learn, some kB?" of archive',
    "process 2 packs docs/learn",
    "process 2 is killed, with 1 open",
    'process 3 answers "Pack docs/guides, some kB?" of archive',
    "process 3 packs docs/guides",
    "process 3 is told: docs/learn takes some kB",
    "process 3 is told: docs/guides takes some kB",
  ]);
});
