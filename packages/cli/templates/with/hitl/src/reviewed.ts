// Lets a person review each result before it goes out.
//
//   npm run reviewed -- "…"
import { createInterface } from "node:readline/promises";
import { create, payloadNode } from "penguiflow";
import { z } from "zod";
import { runOptions, textFlow } from "./subject.ts";

/** The answer of a person. */
const Review = z.object({ approved: z.boolean(), text: z.string().optional() });

const draft = payloadNode("draft", async (text: string, ctx) => {
  return await ctx.callPlaybook(textFlow, text);
});

// while it waits, it holds no slot; with a checkpoint store the process may end meanwhile
const review = payloadNode("review", async (text: string, ctx) => {
  const { approved, text: changed } = await ctx.pause<z.infer<typeof Review>>({
    reason: "May this go out?",
    payload: text,
    resumeSchema: Review,
  });
  return approved ? (changed ?? text) : "Nothing goes out.";
});

export const reviewed = create(draft.to(review), { name: "reviewed" });

if (import.meta.main) {
  await using running = reviewed.start(runOptions);
  let outcome = await running.outcome(process.argv[2] ?? "");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  while (outcome.status === "paused") {
    const [pause] = outcome.pauses;
    const said = await terminal.question(
      `${pause?.reason}\n${JSON.stringify(pause?.payload)}\ny, n, or another text: `,
    );
    const answer = said === "n" ? { approved: false } : { approved: true, ...(said !== "y" && { text: said }) };
    outcome = await running.pauses.resume(pause?.token ?? "", answer);
  }
  terminal.close();
  if (outcome.status !== "completed") throw outcome.error;
  console.log(outcome.result);
}
