// Runs the flow in an edge runtime: the request is a text, the response its stream as server-sent events. Each request
// has a flow of its own, because such runtimes tie timers and connections to the request that started them.
import { formatSseEvent } from "penguiflow";
import { createFlow, type Text } from "./flow.ts";

async function* events(text: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  await using flow = createFlow();
  flow.run();
  const asked: Text = { text, pauseMs: 5 };
  for await (const item of flow.stream(asked, { signal })) {
    if (item.type === "pause") continue;
    yield encoder.encode(
      item.type === "chunk" ? formatSseEvent(item.chunk) : `event: result\ndata: ${JSON.stringify(item.result)}\n\n`,
    );
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    const answer = events(await request.text(), request.signal);
    // pulled one event at a time: a slow reader applies backpressure to the flow
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const next = await answer.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: async () => void (await answer.return(undefined)),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
