import type { CompareView, RunStarted, RunView } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

const FLOWS = `
import { create, payloadNode } from "penguiflow";
const look = payloadNode({ name: "look", effects: "reads" }, (text: string) => text.trim());
const pay = payloadNode({ name: "pay", effects: "writes" }, (text: string) => text.toUpperCase());
const count = payloadNode("count", ({ many, since }: { many: Map<string, number>; since: Date }) => many.get("a")! + since.getTime());
const begin = payloadNode("begin", (number: number) => ({ many: new Map([["a", number]]), since: new Date(5) }));
export const flows = [create(look.to(pay), { name: "pays" }), create(begin.to(count), { name: "counts" })];
`;

/** Begins a run with a request, and follows it to its end. */
async function ended(project: DevProject, path: string, body: unknown): Promise<RunView> {
  const { runId } = (await project.api<RunStarted>("POST", path, body)).body;
  const flow = path.split("/")[2]!;
  await project.follow(flow, runId);
  return (await project.api<RunView>("GET", `/runs/${flow}/${runId}`)).body;
}

test("a run is run again with its input or another, and says of which it is", async () => {
  await using project = await DevProject.start({}, "minimal");
  const first = await ended(project, "/flows/words/runs", { input: "One two." });
  const again = await ended(project, `/runs/words/${first.id}/again`, {});
  expect(again).toMatchObject({ state: "completed", inputValue: "One two.", again: { of: first.id } });
  const other = await ended(project, `/runs/words/${first.id}/again`, { input: "One. Two." });
  expect(other.results).toEqual(["2 sentences, 2 words"]);
  const { first: difference, rows } = (
    await project.api<CompareView>("GET", `/compare?a=words/${first.id}&b=words/${other.id}`)
  ).body;
  expect(rows.map(({ node, differs }) => [node, differs])).toEqual([
    ["split", ["payload"]],
    ["count", ["payload"]],
    ["report", ["payload"]],
  ]);
  expect(difference).toEqual({ row: 0, kind: "payload", text: "split was given or gave other data" });
  const same = (await project.api<CompareView>("GET", `/compare?a=words/${first.id}&b=words/${again.id}`)).body;
  expect([same.first, same.rows.length]).toEqual([undefined, 3]);
  expect(await project.refusal("GET", `/compare?a=words/${first.id}&b=words/none`)).toBe("RUN_UNKNOWN");
});

test("nodes that write ask first", async () => {
  await using project = await DevProject.start({ "src/flows.ts": FLOWS });
  const first = await ended(project, "/flows/pays/runs", { input: " paid " });
  expect(first.steps.map(({ node, effects }) => [node, effects])).toEqual([
    ["look", "reads"],
    ["pay", "writes"],
  ]);
  expect(await project.refusal("POST", `/runs/pays/${first.id}/again`, {})).toBe("WRITES_UNCONFIRMED");
  const again = await ended(project, `/runs/pays/${first.id}/again`, { allowWrites: true });
  expect(again.results).toEqual(["PAID"]);
});

test("a run is run again from one of its steps on, with the message of that step exactly as it was, or another", async () => {
  await using project = await DevProject.start({ "src/flows.ts": FLOWS });
  const first = await ended(project, "/flows/counts/runs", { input: 7 });
  expect(first.results).toEqual([12]);
  const { id } = first.steps[1]!;
  const again = await ended(project, `/runs/counts/${first.id}/again`, { from: id });
  expect(again).toMatchObject({ state: "completed", results: [12], again: { of: first.id, from: id } });
  expect(again.steps.map(({ node }) => node)).toEqual(["count"]);
  const paid = await ended(project, "/flows/pays/runs", { input: " paid " });
  const pay = paid.steps.find(({ node }) => node === "pay")!.id;
  expect(await project.refusal("POST", `/runs/pays/${paid.id}/again`, { from: pay })).toBe("WRITES_UNCONFIRMED");
  const other = await ended(project, `/runs/pays/${paid.id}/again`, { from: pay, input: "other", allowWrites: true });
  expect(other).toMatchObject({ results: ["OTHER"], inputValue: "other" });
  expect(await project.refusal("POST", `/runs/pays/${paid.id}/again`, { from: "none" })).toBe("RUN_UNKNOWN");
});
