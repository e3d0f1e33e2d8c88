import { expect, test } from "vitest";
import type { LogKey } from "penguiflow";
import { Proxy } from "./proxy.ts";
import { TestSchema } from "./server.ts";

const key: LogKey = { tenant: "ada", name: "thread" };

test("a connection lost before the answer to an append does not have it stored twice or refused", async () => {
  await using schema = await TestSchema.create();
  await using proxy = await Proxy.create();
  const log = await schema.openLog({}, proxy.port);
  expect(await log.append(key, 0, ["one"])).toBe(1);
  for (const at of [1, 2]) {
    proxy.loseAnswerTo = "stored as";
    expect(await log.append(key, at, [`item ${at}`])).toBe(at + 1);
    expect(proxy.loseAnswerTo).toBeUndefined();
  }
  proxy.loseAnswerTo = "stored as";
  expect(await log.append({ ...key, name: "another" }, 0, ["first"])).toBe(1);
  expect(await log.read(key)).toEqual({ at: 0, items: ["one", "item 1", "item 2"], length: 3 });
  expect((await log.read({ ...key, name: "another" })).items).toEqual(["first"]);
});

test("logs of a schema that several processes share are appended to by one of them at each place", async () => {
  await using schema = await TestSchema.create();
  const logs = await Promise.all([1, 2, 3].map(() => schema.openLog()));
  for (let at = 0; at < 20; at += 1) {
    const answers = await Promise.allSettled(logs.map((log, index) => log.append(key, at, [index])));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  }
  expect((await logs[0]?.read(key))?.length).toBe(20);
});
