// Streams the words of a model to a browser, by server-sent events and by WebSocket. Starts a server, sends a request
// by each as a browser would, and exits.
//
//   npm run example examples/streaming-llm/main.ts
//   npm run example examples/streaming-llm/main.ts serve    # stays, for a browser or curl -N
import { on, once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { createFlow } from "./flow.ts";
import { quotingModel } from "./quoting-model.ts";
import { serve } from "./serve.ts";

const TEXT = new URL("../../docs/explain/scheduling.md", import.meta.url);

export async function main(stay = false) {
  await using flow = createFlow();
  flow.run({ resources: { model: quotingModel(await readFile(TEXT, "utf8")) } });
  await using server = await serve(flow);

  if (stay) {
    console.log(`${server.url}?question=What+happens+when+an+edge+is+full`);
    await once(process, "SIGINT");
    return [];
  }
  return [
    await askByEvents(server.url, "What happens when an edge is full?"),
    await askBySocket(server.url, "When does a sender wait for room?"),
  ];
}

/** Reads as a browser's `EventSource` does. */
async function askByEvents(url: string, question: string): Promise<string> {
  process.stdout.write(`${question}  (server-sent events)\n  `);
  const response = await fetch(`${url}?question=${encodeURIComponent(question)}`);
  if (response.body === null) throw new Error("The server sent no events");
  let text = "";
  let event = "";
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    if (line.startsWith("event: ")) event = line.slice("event: ".length);
    if (line.startsWith("data: ") && event === "chunk") {
      text += say((JSON.parse(line.slice("data: ".length)) as { text: string }).text);
    }
  }
  process.stdout.write("\n\n");
  return text;
}

async function askBySocket(url: string, question: string): Promise<string> {
  process.stdout.write(`${question}  (WebSocket)\n  `);
  const socket = new WebSocket(url.replace("http", "ws"));
  socket.addEventListener("open", () => socket.send(question));
  let text = "";
  for await (const [{ data }] of on(socket, "message", { close: ["close"] }) as AsyncIterable<[{ data: string }]>) {
    const item = JSON.parse(data) as { type: string; text: string };
    if (item.type === "chunk") text += say(item.text);
    else socket.close();
  }
  process.stdout.write("\n");
  return text;
}

function say(word: string): string {
  process.stdout.write(word);
  return word;
}

if (import.meta.main) await main(process.argv[2] === "serve");
