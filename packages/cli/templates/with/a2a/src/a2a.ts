// Serves the flow as an agent of the A2A protocol. SIGTERM lets its tasks end.
//
//   npm run a2a
import { A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { runOptions, textFlow } from "./subject.ts";

/** Starts the flow and its server. */
export async function serveA2A(port = 8081) {
  const adapter = new A2AServerAdapter(textFlow.run(runOptions), {
    card: {
      name: "{{name}}",
      description: "Takes a text, and answers with a text",
      version: "1.0.0",
      skills: [{ id: "ask", description: "Answers a text" }],
    },
  });
  const app = createA2AApp(adapter, { port, drainMs: 5_000 });
  return { url: await app.listen(), [Symbol.asyncDispose]: async () => await app.close() };
}

if (import.meta.main) console.log(`Listening on ${(await serveA2A()).url}`);
