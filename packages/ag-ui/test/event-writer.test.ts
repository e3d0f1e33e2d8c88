import { expect, test } from "vitest";
import { EventWriter } from "../src/event-writer.ts";
import { textOf, typesOf } from "./serve.ts";

test("the end of a run closes what is open in reverse order, subagents as the run ends", () => {
  const writer = new EventWriter("r");
  const opened = [
    ...writer.startStep("one"),
    ...writer.startMessage("text", "m"),
    ...writer.startSubagent("s", "reader"),
    ...writer.startStep("one", "s"),
    ...writer.startMessage("reasoning", "n", { owner: "s" }),
  ];
  const failed = [...writer.endAll({ as: "failed", message: "no" })];

  expect(opened).toHaveLength(6);
  expect(typesOf(failed)).toEqual([
    ...["REASONING_MESSAGE_END", "REASONING_END", "STEP_FINISHED", "SUBAGENT_ERROR", "TEXT_MESSAGE_END"],
    "STEP_FINISHED",
  ]);
  expect([...writer.endAll({ as: "finished" })]).toEqual([]);
});

test("a subagent that ends closes what is open inside it, and a step what is open in it, but no subagent", () => {
  const writer = new EventWriter("r");
  void [
    ...writer.startStep("one"),
    ...writer.startMessage("text", "m"),
    ...writer.startSubagent("s", "reader"),
    ...writer.startSubagent("t", "reader below", "s"),
    ...writer.startStep("one", "t"),
  ];

  expect(typesOf([...writer.endStep("one")])).toEqual(["TEXT_MESSAGE_END", "STEP_FINISHED"]);
  expect(typesOf([...writer.end("s")])).toEqual(["STEP_FINISHED", "SUBAGENT_FINISHED", "SUBAGENT_FINISHED"]);
  expect([...writer.end("s")]).toEqual([]);
});

test("a suspended subagent names the interrupts that it waits for", () => {
  const writer = new EventWriter("r");
  void [...writer.startSubagent("s", "reader")];

  expect([...writer.endAll({ as: "suspended", interruptIds: ["int_1"] })]).toEqual([
    { type: "SUBAGENT_FINISHED", subagentRunId: "s", outcome: { type: "suspended", interruptIds: ["int_1"] } },
  ]);
});

test("a piece without text gives no event, and a message that is taken back is none of the messages", () => {
  const writer = new EventWriter("r");
  const events = [
    ...writer.startMessage("text", "m"),
    ...writer.write("m", ""),
    ...writer.write("m", "hi"),
    ...writer.write("unknown", "hi"),
    ...writer.end("m"),
    ...writer.retract("m"),
  ];

  expect(textOf(events)).toBe("hi");
  expect(typesOf(events)).toHaveLength(4);
  expect(writer.messages).toEqual([]);
});
