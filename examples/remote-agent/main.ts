// A node that delegates to another agent: the agent's words are streamed as they arrive, its answer is validated, and
// its task is cancelled when the request here is. The agent is a flow in this process; a network transport replaces the
// loopback without a change to the node.
//
//   npm run example examples/remote-agent/main.ts
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { create, LoopbackTransport, payloadNode, remoteNode, type RemoteTransport, shape } from "penguiflow";
import { z } from "zod";

const REPOSITORY = new URL("../../", import.meta.url);
const Found = z.object({ word: z.string(), files: z.int(), times: z.int() });

// the agent: counts a word in the guides and reports each file that contains it
const count = payloadNode({ name: "count", policy: { timeoutMs: 10_000 } }, async (word: string, ctx) => {
  let files = 0;
  let times = 0;
  for (const file of globSync("docs/guides/*.md", { cwd: REPOSITORY }).toSorted()) {
    const text = await readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal });
    const here = text.split(word).length - 1;
    if (here === 0) continue;
    files += 1;
    times += here;
    await ctx.emitChunk({ text: `${file}: ${here}` });
  }
  return { word, files, times };
});

export function createAgent() {
  return create(count.to(), { name: "librarian" });
}

export function createFlow(transport: RemoteTransport) {
  const ask = remoteNode("ask", {
    transport,
    agentUrl: "local://librarian",
    skill: "count",
    input: shape<string>(),
    // external input, which the schema validates
    output: Found,
    streaming: true,
    policy: { timeoutMs: 10_000 },
  });
  const describe = payloadNode("describe", ({ word, files, times }: z.infer<typeof Found>) => {
    return `"${word}" stands ${times} times in ${files} guides`;
  });
  return create(ask.to(describe), { name: "remote-agent" });
}

export async function main() {
  await using agent = createAgent();
  agent.run();
  const transport = new LoopbackTransport({ count: agent });
  await using flow = createFlow(transport);
  flow.run();

  const told: string[] = [];
  for await (const item of flow.stream("tenant", { tenant: "acme", timeoutMs: 20_000 })) {
    if (item.type === "pause") continue;
    const line = item.type === "chunk" ? item.chunk.text : item.result;
    if (line === "") continue;
    told.push(line);
    console.log(line);
  }

  // a caller who leaves after the first line stops the agent too
  for await (const item of flow.stream("the", { tenant: "acme" })) if (item.type === "chunk") break;
  const { completed, cancelled } = agent.stats().outcomes;
  console.log(`the agent: ${completed} completed, ${cancelled} cancelled, ${transport.openTasks} open`);
  return { told, completed, cancelled, open: transport.openTasks };
}

if (import.meta.main) await main();
