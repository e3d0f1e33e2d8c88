import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import type { RemoteTransport } from "penguiflow";
import { expect, test } from "vitest";
import { createFlow, main } from "../remote-agent/main.ts";
import { quietly } from "./quietly.ts";

test("passes the agent's words on, and stops the agent when the reader leaves", async () => {
  const guides = path.resolve(import.meta.dirname, "../../docs/guides");
  const counts = globSync("*.md", { cwd: guides })
    .map((file) => readFileSync(path.join(guides, file), "utf8").split("tenant").length - 1)
    .filter((count) => count > 0);
  const times = counts.reduce((sum, count) => sum + count, 0);

  const { told, ...agent } = await quietly(main);
  expect(told).toHaveLength(counts.length + 1);
  expect(told.at(-1)).toBe(`"tenant" stands ${times} times in ${counts.length} guides`);
  expect(agent).toEqual({ completed: 1, cancelled: 1, open: 0 });
});

/** Creates an agent that answers with `result`. */
function answering(result: unknown): RemoteTransport {
  return {
    send: () => Promise.reject(new Error("not used")),
    cancel: () => Promise.resolve(),
    async *stream() {
      yield { done: true, result };
    },
    resubscribe: () => {
      throw new Error("not used");
    },
  };
}

test("refuses an answer that is none", async () => {
  await using flow = createFlow(answering({ word: "x", files: "many" }));
  flow.run();
  expect(await flow.outcome("x")).toMatchObject({ status: "failed", error: { code: "OUTPUT_INVALID", node: "ask" } });
});
