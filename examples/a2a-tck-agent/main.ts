// The agent that the public compatibility kit of A2A drives: the prefix of a message's id selects its behaviour. Start
// it, then run the kit against its address: docs/reference/a2a-conformance.md.
//
//   npm run example examples/a2a-tck-agent/main.ts -- 9999
import process from "node:process";
import { type A2AApp, A2AServerAdapter, type A2AServerOptions, createA2AApp, Files } from "@penguiflow/a2a/server";
import { type Clock, create, payloadNode } from "penguiflow";

const SIGN_IN = "Sign in, then say so";

const act = payloadNode("act", async (messageId: string, ctx): Promise<unknown> => {
  const is = (prefix: string): boolean => messageId.startsWith(prefix);

  if (is("tck-input-required")) {
    await ctx.pause({ reason: "More input, please" });
    return "Thank you";
  }
  if (is("tck-auth-required")) {
    await ctx.pause({ reason: SIGN_IN });
    return "Signed in";
  }
  if (is("tck-reject-task")) throw new Error("rejected");

  if (is("tck-delayed-complete")) await ctx.sleep(2_000);
  if (is("test-resubscribe-message-id")) await ctx.sleep(4_000);
  if (is("tck-stream-artifact-chunked")) for (const text of ["chunk-1 ", "chunk-2"]) await ctx.emitChunk({ text });

  const text = { filename: "output.txt", mediaType: "text/plain" };
  if (is("tck-artifact-file-url")) return new Files({ url: "https://example.com/output.txt", ...text });
  if (is("tck-artifact-file") || is("tck-stream-artifact-file"))
    return new Files({ bytes: Buffer.from("tck"), ...text });
  if (is("tck-artifact-data")) return { key: "value", count: 42 };
  if (is("tck-artifact-text")) return "Generated text content";
  if (is("tck-stream-artifact-text")) return "Streamed text content";
  if (is("tck-stream-ordering-001")) return "Ordered output";
  if (is("tck-stream-001")) return "Stream hello from TCK";
  if (is("tck-stream-003")) return "Stream task lifecycle";
  if (is("tck-message-response")) return "Direct message response";
  return "Hello from TCK";
});

export function createFlow(clock?: Clock) {
  return create(act.to(), { name: "tck", ...(clock === undefined ? {} : { clock }) });
}

export const options: A2AServerOptions = {
  card: {
    name: "PenguiFlow under the compatibility kit",
    description: "Does what the id of a message says",
    version: "1.0.0",
    provider: { organization: "PenguiFlow", url: "https://example.com" },
    skills: [{ id: "tck", name: "Conformance", description: "Answers the messages of the kit", tags: ["tck"] }],
  },
  payloadOf: ({ messageId }) => messageId,
  answersWithMessage: ({ messageId }) => messageId.startsWith("tck-message-response"),
  waitsForAuthorization: ({ reason }) => reason === SIGN_IN,
  // the kit reuses message ids
  repeatedMessages: "begin",
  // the kit listens for notifications on this machine
  pushNotifications: { allowPrivate: true },
  // the kit reads the card without naming a version, and rejects fields of 0.3
  legacy: false,
};

export async function main(port: number): Promise<A2AApp> {
  const adapter = new A2AServerAdapter(createFlow(), options);
  const app = createA2AApp(adapter, { port, drainMs: 1_000 });
  console.log(`the agent listens on ${await app.listen()}`);
  return app;
}

if (import.meta.main) await main(Number(process.argv[2] ?? 9999));
