// A thousand expense reports wait for an approval, and the process holds none of them: a trace at rest leaves memory, and
// only the checkpoint store has it. It is loaded when it is answered, asked about by its id, or due.
//
//   npm run example examples/open-questions/main.ts
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { create, type FlowEvent, payloadNode, type PauseTicket } from "penguiflow";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";

interface Report {
  readonly number: number;
  readonly cents: number;
  /** Epoch milliseconds at which it is paid without an approval. */
  readonly paidBy?: number;
}

const approve = payloadNode("approve", async ({ number, cents, paidBy }: Report, ctx): Promise<string> => {
  const by = await ctx.pause<string>({
    reason: `Pay report ${number}: ${cents} cents?`,
    ...(paidBy === undefined ? {} : { expiresAt: paidBy, ifExpired: "the rule for late answers" }),
  });
  return `report ${number} approved by ${by}`;
});

export async function main(count = 1_000): Promise<{ readonly unloaded: number; readonly said: readonly string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), "open-questions-"));
  const said: string[] = [];
  const say = (line: string): void => {
    said.push(line);
    console.log(line);
  };
  let unloaded = 0;
  const watch = (event: FlowEvent): void => {
    if (event.type === "trace_unload") unloaded += 1;
  };
  try {
    await using checkpoints = await SqliteCheckpointStore.open({ file: path.join(folder, "reports.db") });
    await using flow = create(approve.to(), {
      name: "reports",
      durability: durable({ checkpoints, unloadAfterMs: 50 }),
      middlewares: [watch],
    }).run();

    const ask = async (report: Report): Promise<PauseTicket | undefined> => {
      const outcome = await flow.outcome(report, { id: `report-${report.number}` });
      return outcome.status === "paused" ? outcome.pauses[0] : undefined;
    };
    const reports = Array.from({ length: count }, (_, number): Report => ({ number, cents: 100 * number }));
    const tickets = await Promise.all(reports.map(ask));
    const due = { number: count, cents: 1_200, paidBy: Date.now() + 3_000 };
    await ask(due);
    const haveLeft = (): boolean => unloaded > count;
    for (let looks = 0; !haveLeft() && looks < 200; looks += 1) await setTimeout(10);
    say(`${flow.stats().traces} reports wait, and memory holds none of them`);

    // by the token of its pause
    const answered = await flow.pauses.resume(tickets[7]!.token, "Maria");
    if (answered.status === "completed") say(answered.result);
    // by its id: the same request again is told that it still waits
    const again = await flow.outcome(reports[8]!, { id: "report-8" });
    say(`report 8 is ${again.status}`);
    // when it is due: its next caller waits for it, or is told the stored outcome
    await setTimeout(Math.max(0, due.paidBy - Date.now()) + 100);
    say(await flow.call(due, { id: `report-${count}` }));

    // the next run reads none of the others, either
    await flow.stop();
    flow.run();
    say(`${(await flow.ready()).resumed} reports wait after a restart`);
    const [left] = await flow.pauses.list({ traceId: "report-9" });
    const last = await flow.pauses.resume(left!.token, "Jo");
    if (last.status === "completed") say(last.result);
  } finally {
    await rm(folder, { recursive: true });
  }
  return { unloaded, said };
}

if (import.meta.main) await main();
