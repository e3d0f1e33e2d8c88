// Answers the questions that another process has left: yes, no, or another amount. The run goes on from there: the model
// is not asked again for what it has said, and the bill is paid once.
//
//   npm run example examples/agent-approval/answer.ts yes maria
//   npm run example examples/agent-approval/answer.ts 240.00 maria
import assert from "node:assert/strict";
import type { Decision } from "@penguiflow/planner";
import { TENANT, withAgent } from "./agent.ts";

const [word = "yes", by = "maria"] = process.argv.slice(2);

await withAgent(async (agent) => {
  const questions = await agent.questions({ tenant: TENANT });
  if (questions.length === 0) console.log("Nothing waits.");
  for (const { token, reason, args } of questions) {
    console.log(`${reason} ${JSON.stringify(args)}? ${word}, says ${by}`);
    const end = await agent.resume(token, decisionOf(args), { tenant: TENANT, by });
    console.log(end.status === "completed" ? end.text : `The run ended: ${end.status}`);
    console.log(`${end.spent.steps} model calls in both processes`);
  }
});

/** Reads the word: yes, no, or an amount in euros that is to be paid instead. */
function decisionOf(args: unknown): Decision {
  if (word === "yes") return { approved: true };
  if (word === "no") return { approved: false, reason: `${by} said no` };
  const cents = Math.round(Number(word) * 100);
  assert(cents > 0, `Cannot decide "${word}": say yes, no or an amount such as 240.00`);
  return { approved: true, args: { ...(args as { bill: string }), cents } };
}
