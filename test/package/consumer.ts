// A user's program: scripts/package.ts and scripts/runtimes.ts copy it into an empty folder, compile it against the
// published types without those of Node, and run it. Node 22 strips its types, so it cannot use `await using`.
import { openTelemetry } from "@penguiflow/otel";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { create, FlowError, joinK, type Message, node, type Outcome, payloadNode, shape } from "penguiflow";
import { lintFlow } from "penguiflow/lint";
import { assertNodeSequence, getRecordedEvents, runOne } from "penguiflow/testing";
import { threadModule, threadNode, ThreadPool } from "penguiflow/threads";
import type * as double from "./double.ts";

const read = node("read", async (message: Message<string>, ctx) => {
  const words = message.payload.split(" ");
  if (words.length < 2) throw new RangeError(`Cannot read "${message.payload}": it is one word`);
  for (const word of words) await ctx.emitChunk({ parent: message, text: word });
  return { words };
});
const count = payloadNode("count", ({ words }: { words: string[] }) => words.length);
const letters = payloadNode("letters", ({ words }: { words: string[] }) => words.join("").length);
const both = joinK("both", 2, { input: shape<number>() });
const sum = payloadNode("sum", ([first, second]: [number, number]) => first + second);

const store = await SqliteStateStore.open({ file: "consumer.db", maxTraces: 100 });
const flow = create(read.to(count, letters), count.to(both), letters.to(both), both.to(sum), {
  name: "consumer",
  instrument: openTelemetry(),
  stateStore: store,
});

const pool = new ThreadPool({ size: 1 });
const doubling = threadModule<typeof double>(new URL("./double.ts", import.meta.url));
const threaded = create(threadNode({ name: "double", module: doubling, run: "double", pool }).to());

// @ts-expect-error a number is no text
const wrong = (): Promise<unknown> => flow.call(42);

flow.run();
threaded.run();
try {
  const sentence = "penguins swim well";
  const result: number = await flow.call(sentence);
  const chunks: string[] = [];
  for await (const item of flow.stream(sentence)) if (item.type === "chunk") chunks.push(item.chunk.text);
  const outcome: Outcome<number> = await flow.outcome("penguins");
  const code = await flow.call("penguins").catch((error: unknown) => error instanceof FlowError && error.code);
  console.log(result, chunks.join("|"), outcome.status, code, lintFlow(flow).length, typeof wrong);
  console.log(await threaded.call(21));
} finally {
  await flow.stop();
  await threaded.stop();
  await pool.close();
}
console.log((await runOne(flow, sentenceOf(3), { traceId: "t" })).payload);
assertNodeSequence("t", ["read", "count", "letters", "both", "sum"]);
console.log(getRecordedEvents("t").length > 0);
const { traces } = await store.listTraces({ tenant: "default", state: "failed", limit: 1 });
console.log("kept", traces[0]?.node, traces[0]?.errorCode);
await store.close();

function sentenceOf(words: number): string {
  return Array.from({ length: words }, () => "ice").join(" ");
}
