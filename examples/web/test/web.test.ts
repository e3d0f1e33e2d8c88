import { expect, test } from "vitest";
import { createFlow } from "../app/flow.ts";
import worker from "../app/worker.ts";

const text = "Penguins swim. They come back from far away!";

function ask(signal?: AbortSignal): Promise<Response> {
  const init = { method: "POST", body: text };
  return worker.fetch(new Request("http://localhost/", signal === undefined ? init : { ...init, signal }));
}

test("the flow says each sentence, then what is in the text", async () => {
  await using flow = createFlow();
  flow.run();
  const said: string[] = [];
  for await (const item of flow.stream({ text, pauseMs: 0 })) {
    if (item.type === "chunk" && !item.chunk.done) said.push(item.chunk.text.trim());
    if (item.type === "result") said.push(JSON.stringify(item.result));
  }
  expect(said).toEqual([
    "Penguins swim.",
    "They come back from far away!",
    '{"sentences":2,"words":8,"longest":"They come back from far away!"}',
  ]);
});

test("a text without sentences has a report too", async () => {
  await using flow = createFlow();
  flow.run();
  expect(await flow.call({ text: "", pauseMs: 0 })).toEqual({ sentences: 0, words: 0, longest: "" });
});

test("the worker answers with server-sent events", async () => {
  const response = await ask();
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = (await response.text()).split("\n\n");
  expect(events[0]).toContain('"text":"Penguins swim."');
  expect(events.at(-2)).toMatch(/^event: result\ndata: \{"sentences":2,/);
});

test("the worker's stream ends when its request is aborted, and when its reader leaves", async () => {
  const request = new AbortController();
  const aborted = (await ask(request.signal)).body!.getReader();
  await aborted.read();
  request.abort();
  await expect(async () => {
    while (!(await aborted.read()).done);
  }).rejects.toMatchObject({ code: "TRACE_CANCELLED" });

  const left = (await ask()).body!.getReader();
  await left.read();
  await left.cancel();
  expect(await left.read()).toEqual({ done: true, value: undefined });
});
