import path from "node:path";
import { createPlanner } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { openApiTools } from "@penguiflow/tools-openapi";
import { expect, test } from "vitest";
import { json, serveApi } from "./api-server.ts";

const document = path.join(import.meta.dirname, "petstore-3.0.yaml");

test("a planner calls operations: reads are tried again, writes are not, and no text has the credential or a secret argument", async () => {
  const { url, received } = await serveApi(({ method, headers, body }, response) => {
    if (received.length === 1) json(response, "busy", 503);
    else if (method === "POST") json(response, { key: headers["x-api-key"], body }, 503);
    else json(response, [headers["x-api-key"]]);
  });
  const model = scriptedModel([
    { calls: [{ tool: "pets_listPets" }] },
    { calls: [{ tool: "pets_addPet", args: { body: { name: "canary-4712" } } }] },
    "done",
  ]);
  const settings = { addPet: { secrets: ["body"] } };
  const tools = [openApiTools("pets", { document, server: url, operations: "all", signsIn: "service", settings })];
  const credentials = (): string => "canary-4711";
  await using planner = createPlanner({ name: "helper", model, tools, credentials }).start();

  const result = await planner.run("go");

  expect(result).toMatchObject({ status: "completed", output: "done" });
  expect(received.map(({ method }) => method)).toEqual(["GET", "GET", "POST"]);
  expect(received.map(({ headers }) => headers["x-api-key"])).toEqual(Array.from({ length: 3 }, () => "canary-4711"));
  expect(result.steps.map(({ calls }) => calls[0]?.output)).toMatchObject([
    { kind: "json", value: ["[credential]"] },
    {
      kind: "error",
      code: "TOOL_FAILED",
      text: expect.stringContaining("POST /pets answered with HTTP 503") as unknown,
    },
    undefined,
  ]);
  expect(received.at(-1)?.body).toContain("canary-4712");
  expect(JSON.stringify([result, model.calls])).not.toContain("canary");
});
