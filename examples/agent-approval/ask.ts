// Asks the agent to pay a bill. A person has to approve it, and this process ends: no process waits.
//
//   npm run example examples/agent-approval/ask.ts
import { FOLDER, TENANT, withAgent } from "./agent.ts";

await withAgent(async (agent) => {
  const result = await agent.run("Pay the bill of the coal merchant", { tenant: TENANT, user: "anna" });
  if (result.status !== "paused") {
    console.log(`The run ended: ${result.status}`);
    return;
  }
  for (const { reason, args } of result.questions) console.log(`${reason} ${JSON.stringify(args)}?`);
  console.log(`This process ends now; the run waits in ${FOLDER}.`);
  console.log("\n  npm run example examples/agent-approval/answer.ts yes maria");
});
