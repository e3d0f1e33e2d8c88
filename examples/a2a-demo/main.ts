// Two processes: one serves a flow as an A2A agent, the other calls it through a remote node. The agent's words arrive
// as they are produced; then a second request is cancelled in flight, and the work stops on the other side.
//
//   npm run example examples/a2a-demo/main.ts
//   npm run a2a:demo
import { fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, payloadNode, remoteNode, shape } from "penguiflow";
import { z } from "zod";

const Count = z.object({ word: z.string(), times: z.int(), pages: z.int() });

export function createFlow(agentUrl: string) {
  const read = remoteNode("read", {
    transport: new A2AClientTransport(),
    agentUrl,
    skill: "read",
    input: shape<string>(),
    output: Count,
    streaming: true,
    policy: { timeoutMs: 30_000 },
  });
  const tell = payloadNode("tell", ({ word, times, pages }: z.infer<typeof Count>) => {
    return `"${word}" stands ${times} times on ${pages} pages`;
  });
  return create(read.to(tell), { name: "a2a-demo" });
}

/** Starts the agent's process and forwards its output. */
async function startAgent() {
  const agent = fork(new URL("agent.ts", import.meta.url), { silent: true });
  agent.stdout?.on("data", (said: Buffer) => {
    for (const line of said.toString().trimEnd().split("\n")) console.log(`  [agent ${agent.pid}] ${line}`);
  });
  agent.stderr?.pipe(process.stderr);
  const [{ url }] = (await once(agent, "message")) as [{ url: string }];
  return { agent, url };
}

export async function main() {
  const { agent, url } = await startAgent();
  await using flow = createFlow(url);
  flow.run();

  console.log(`[caller ${process.pid}] asks ${url} for "tenant"`);
  let answer: string | undefined;
  let chunks = 0;
  for await (const item of flow.stream("tenant", { tenant: "acme" })) {
    if (item.type === "result") answer = item.result;
    else if (item.type === "chunk" && item.chunk.text !== "") console.log(`[caller] ${item.chunk.text}`);
    if (item.type === "chunk" && item.chunk.text !== "") chunks += 1;
  }
  console.log(`[caller] ${answer}`);

  console.log('[caller] asks for "signal", and cancels after three pages');
  const stopped = once(agent, "message");
  let cancelledAt = 0;
  let before = 0;
  const cancel = new AbortController();
  try {
    for await (const item of flow.stream("signal", { tenant: "acme", signal: cancel.signal })) {
      if (item.type !== "chunk" || item.chunk.text === "") continue;
      before += 1;
      console.log(`[caller] ${item.chunk.text}`);
      if (before < 3) continue;
      cancelledAt = performance.now();
      cancel.abort();
    }
  } catch (error) {
    console.log(`[caller] ${(error as { code?: string }).code}`);
  }
  await stopped;
  const stoppedAfterMs = Math.round(performance.now() - cancelledAt);
  console.log(`[caller] the agent stopped ${stoppedAfterMs} ms after the cancel`);

  agent.disconnect();
  await once(agent, "exit");
  console.log("both processes are done");
  return { answer, chunks, before, stoppedAfterMs };
}

if (import.meta.main) await main();
