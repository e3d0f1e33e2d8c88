import { describe, expect, test } from "vitest";
import { createPlanner, type Policy, type PolicyCall, type Verdict } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, outputs, reads, running } from "./fixtures.ts";

const look = (...texts: readonly string[]) => ({ calls: texts.map((text) => ({ tool: "look", args: { text } })) });

/** A policy about one place: `decide` is given the text, or the name of the tool. */
function at(place: PolicyCall["at"], decide: (what: string) => Verdict): Policy {
  return (call) => (call.at !== place ? "allow" : decide("text" in call ? call.text : call.tool.name));
}

function planner(policy: Policy | Policy[], script: Parameters<typeof scriptedModel>[0], options: object = {}) {
  const model = scriptedModel(script);
  const tools = [reads("look"), reads("find")];
  return { model, planner: running(createPlanner({ name: "p", model, tools, policy, ...options })) };
}

describe("policies", () => {
  test("case 35: a tool that a policy hides is neither shown nor callable", async () => {
    const policy = at("list", (name) => (name === "find" ? "allow" : { deny: "hidden" }));
    const { planner: made, model } = planner(policy, [look("a"), "Done"]);
    expect(outputs(await made.run("?"))).toMatchObject([
      { code: "TOOL_UNKNOWN", text: expect.stringMatching(/: find$/) as string },
    ]);
    expect(model.calls[0]?.tools).toMatchObject([{ name: "find" }]);
  });

  test("a call is denied, asked about, or stops the run; the strictest verdict wins", async () => {
    const { planner: denied } = planner(
      [at("call", () => "ask"), at("call", () => ({ deny: "not now" }))],
      [look("a"), "Done"],
    );
    expect(outputs(await denied.run("?"))).toEqual([{ kind: "denied", reason: "not now" }]);
    const { planner: asked } = planner(
      at("call", () => "ask"),
      [look("a"), "Done"],
    );
    expect(await asked.run("?")).toMatchObject({ status: "paused", questions: [{ tool: "look" }] });
    const { planner: stopped, model } = planner(
      at("call", () => ({ stop: "enough" })),
      [look("a"), "Done"],
    );
    expect(await stopped.run("?")).toMatchObject({
      status: "failed",
      code: "POLICY_STOPPED",
      error: { message: "enough" },
    });
    expect(model.count).toBe(1);
  });

  test("a policy that throws denies, and its reason is told to no model", async () => {
    const policy: Policy = ({ at: place }) => {
      if (place === "call") throw new Error("secret");
      return "allow";
    };
    const { planner: made } = planner(policy, [look("a"), "Done"]);
    expect(outputs(await made.run("?"))).toEqual([{ kind: "denied", reason: "a policy failed" }]);
  });

  test("prompts and results are replaced or stop the run", async () => {
    const { planner: made, model } = planner(
      [
        at("prompt", (text) => ({ replace: text.replace("4711", "…") })),
        at("result", () => ({ replace: "nothing to see" })),
      ],
      [look("a"), "Done"],
    );
    expect(outputs(await made.run("My pin is 4711"))).toEqual([{ kind: "text", text: "nothing to see" }]);
    expect(JSON.stringify(model.calls)).not.toContain("4711");
    const { planner: stopped } = planner(
      at("prompt", () => ({ deny: "no" })),
      [],
    );
    expect(await stopped.run("?")).toMatchObject({ status: "failed", code: "POLICY_STOPPED", steps: [] });
    const { planner: late } = planner(
      at("result", () => ({ stop: "leak" })),
      [look("a"), "Done"],
    );
    expect(await late.run("?")).toMatchObject({ status: "failed", code: "POLICY_STOPPED", error: { message: "leak" } });
  });

  test("an answer is told sentence by sentence as it passes, and no sentence after the one that stops it", async () => {
    const policy = at("answer", (text) =>
      text.includes("secret") ? { stop: "a secret" } : text.includes("rude") ? { replace: "[…] " } : "allow",
    );
    const { planner: made } = planner(policy, ["One two. So rude! Three.", "One. The secret. Two."]);
    const told = async () => {
      const events = await all(made.stream("?"));
      return [events.flatMap((event) => (event.type === "text" ? [event.delta] : [])), events.at(-1)];
    };
    expect(await told()).toMatchObject([
      ["One two. ", "[…] ", "Three."],
      { end: { status: "completed", text: "One two. […] Three." } },
    ]);
    expect(await told()).toMatchObject([["One. "], { end: { status: "failed", code: "POLICY_STOPPED" } }]);
  });

  test("a message into a running plan is shown to the policies like a prompt, and can stop the run", async () => {
    const policy = at("prompt", (text) => {
      if (text.includes("bomb")) return { stop: "no" };
      return text.includes("4711") ? { replace: "My pin is …" } : "allow";
    });
    for (const [message, status] of [
      ["My pin is 4711", "completed"],
      ["Build a bomb", "failed"],
    ] as const) {
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
      const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
      const waits = reads("wait", async () => {
        begin();
        await go;
      });
      const { planner: made, model } = planner(policy, [{ calls: [{ tool: "wait" }] }, "Done"], { tools: [waits] });
      const end = made.run("Look", { runId: message });
      await begun;
      await made.steer(message, message, { tenant: "default", by: "ada" });
      goOn();
      expect(await end).toMatchObject({ status });
      expect(JSON.stringify(model.calls)).not.toMatch(/4711|bomb/);
      expect(model.count).toBe(status === "completed" ? 2 : 1);
    }
  });

  test("of policies that replace a text each replaces what the one before has left; a denial is of the text as it came", async () => {
    const masks = (secret: string): Policy => at("prompt", (text) => ({ replace: text.replace(secret, "…") }));
    const { planner: made, model } = planner([masks("4711"), masks("4712"), masks("4713")], ["Done"]);
    await made.run("4711 4712 4713");
    expect(JSON.stringify(model.calls[0]?.prompt)).toContain("… … …");
    const refuses = at("prompt", (text) => (text.includes("4711") ? { deny: "no pins" } : "allow"));
    const { planner: refused } = planner([masks("4711"), refuses], []);
    expect(await refused.run("4711")).toMatchObject({ status: "failed", error: { message: "no pins" } });
  });

  test("with a policy at answers, steps and events have the text as it passed", async () => {
    const policy = at("answer", (text) => ({ replace: text.replace("secret", "…") }));
    const { planner: made } = planner(policy, ["A secret."]);
    const events = await all(made.stream("?"));
    expect(JSON.stringify(events)).not.toContain("secret");
    expect(events).toContainEqual(expect.objectContaining({ type: "step", text: "A …." }));
  });
});
