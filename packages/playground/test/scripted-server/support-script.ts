// The scripts of the support agent: which one a run follows depends on the words of the message.
import type { TurnPart } from "../../src/protocol.ts";
import type { ScriptedRun } from "./scripted-run.ts";

/** Waits a number of milliseconds, times the server's pace; rejects when the run is cancelled. */
export type Wait = (ms: number, run: ScriptedRun) => Promise<void>;

const REFUND_ANSWER = `Order **4471** was lost by the carrier, so you get your money back.

| What | Amount |
| --- | ---: |
| Order 4471 | 49.90 € |
| Shipping | 0.00 € |

1. The refund is on its way to the card you paid with.
2. It arrives within *three working days*.

See [what we promise](https://example.com/promises) for the details.`;

/** An answer that tries to run code in the page that shows it. */
export const HOSTILE_ANSWER = `<img src=x onerror="document.title='owned'">

[click me](javascript:document.title='owned') and [this](data:text/html,<script>alert(1)</script>)

<script>document.title='owned'</script>

![picture](https://evil.example/pixel.png) **bold <b onclick="x">text</b>** \`<i>code</i>\`

${"long".repeat(2000)}`;

const SHORT_ANSWER = `I can tell you where an order is, and pay a refund. Ask for **order 4471**, for example:

\`\`\`ts
const outcome = await support.outcome({ text: "Where is order 4471?" });
\`\`\``;

/** Plays the script that a message asks for, to the end of its run. */
export async function play(run: ScriptedRun, text: string, wait: Wait): Promise<void> {
  const guard = run.step("guard");
  await wait(187, run);
  guard({ state: "done", to: ["plan"] });
  const plan = run.step("plan", { from: "guard" });
  await think(run, "I look at the order and at what we promise.", wait);
  if (/fail/i.test(text)) {
    plan({ state: "failed", error: { code: "NODE_FAILED", message: "503 from the model", place: "src/model.ts:12" } });
    run.end("failed", {
      error: { code: "NODE_FAILED", message: 'Node "plan" failed: 503 from the model', node: "plan" },
    });
    return;
  }
  await wait(500, run);
  plan({ state: "done", to: ["policies", "orders"] });
  run.change({ tokens: { in: 1204, out: 96 }, costUsd: 0.0031 });
  if (/hostile/i.test(text)) await say(run, HOSTILE_ANSWER, wait, 400);
  else if (/slow/i.test(text)) await talk(run, wait);
  else if (/ask/i.test(text)) await ask(run, wait);
  else if (/4471|refund|money/i.test(text)) await refund(run, wait);
  else await say(run, SHORT_ANSWER, wait);
  run.results = [{ text: firstText(run.parts) }];
  run.end("completed", { output: firstText(run.parts), tokens: { in: 2310, out: 271 }, costUsd: 0.0068 });
}

async function think(run: ScriptedRun, text: string, wait: Wait): Promise<void> {
  const index = run.part({ type: "reasoning", text: "" });
  for (const word of text.split(/(?<= )/)) {
    run.delta(index, word);
    await wait(40, run);
  }
}

async function say(run: ScriptedRun, text: string, wait: Wait, piece = 12): Promise<void> {
  const answer = run.step("answer", { from: "plan" });
  const index = run.part({ type: "text", text: "" });
  for (let at = 0; at < text.length; at += piece) {
    run.delta(index, text.slice(at, at + piece));
    await wait(25, run);
  }
  answer({ state: "done", to: ["Rookery"] });
}

/** Talks until it is stopped or steered. */
async function talk(run: ScriptedRun, wait: Wait): Promise<void> {
  const index = run.part({ type: "text", text: "" });
  for (let line = 1; ; line += 1) {
    run.delta(index, `${line === 1 ? "" : " "}Sentence ${line} of a long answer.`);
    await wait(150, run);
    const steered = run.steering.shift();
    if (steered === undefined) continue;
    const queued = run.parts.findIndex((part) => part.type === "steer" && part.state === "queued");
    run.part({ type: "steer", text: steered, state: "read" }, queued);
    await say(run, `You said: ${steered}. So I end here.`, wait);
    return;
  }
}

/** Asks for the number of an order, and repeats the answer. */
async function ask(run: ScriptedRun, wait: Wait): Promise<void> {
  const { id: runId, flow, tenant, thread } = run.summary;
  const answer = await run.ask({
    id: `pause-${runId}`,
    flow,
    runId,
    tenant,
    ...(thread === undefined ? {} : { thread }),
    node: "plan",
    path: [],
    kind: "input",
    tool: "order.ask",
    reason: "Which order is it?",
    payload: undefined,
    schema: { type: "object", required: ["order"], properties: { order: { type: "string", pattern: "^[0-9]{4}$" } } },
    since: run.now(),
    isVolatile: true,
  });
  const { value } = answer as { readonly value: { readonly order: string } };
  await say(run, `So it is order ${value.order}.`, wait);
}

async function refund(run: ScriptedRun, wait: Wait): Promise<void> {
  const policies = run.step("policies", { from: "plan", effects: "reads" });
  const orders = run.step("orders", { from: "plan", effects: "reads" });
  const call = (
    callId: string,
    tool: string,
    args: unknown,
    rest: Partial<Extract<TurnPart, { type: "call" }>> = {},
  ): TurnPart => ({
    type: "call",
    callId,
    tool,
    args,
    state: "running",
    attempts: 1,
    ...rest,
  });
  const found = run.part(call("call-1", "orders.get", { id: "4471" }, { effects: "reads" }));
  const searched = run.part(call("call-2", "policies.search", { query: "lost parcel" }, { effects: "reads" }));
  await wait(262, run);
  orders({
    state: "retried",
    error: { code: "NODE_FAILED", message: "orders: 503 from the shop", place: "src/orders.ts:31" },
  });
  run.change({ retries: 1 });
  const again = run.step("orders", { from: "plan", attempt: 2, effects: "reads" });
  await wait(308, run);
  again({ state: "done", to: ["gather"] });
  run.part(
    call(
      "call-1",
      "orders.get",
      { id: "4471" },
      { effects: "reads", state: "done", ms: 651, attempts: 2, output: { state: "lost", eur: 49.9 } },
    ),
    found,
  );
  policies({ state: "done", to: ["gather"] });
  run.part(
    call(
      "call-2",
      "policies.search",
      { query: "lost parcel" },
      { effects: "reads", state: "done", ms: 651, output: ["A lost parcel is paid back in full."] },
    ),
    searched,
  );
  run.step("gather", { from: "orders" })({ state: "done", to: ["refund"] });
  const pay = run.step("refund", { from: "gather", effects: "writes" });
  const args = { order: "4471", eur: 49.9 };
  const asked = run.part(call("call-3", "refund.pay", args, { effects: "writes", state: "asked" }));
  const from = run.now();
  pay({ state: "paused", waits: [{ for: "answer", from }] });
  const decision = await run.ask({
    id: `pause-${run.summary.id}`,
    flow: run.summary.flow,
    runId: run.summary.id,
    tenant: run.summary.tenant,
    ...(run.summary.thread === undefined ? {} : { thread: run.summary.thread }),
    node: "refund",
    path: [],
    kind: "approval",
    reason: "Refunds need a person",
    payload: undefined,
    tool: "refund.pay",
    args,
    callId: "call-3",
    effects: "writes",
    schema: {
      type: "object",
      required: ["order", "eur"],
      properties: {
        order: { type: "string", description: "Number of the order" },
        eur: { type: "number", minimum: 0.01, maximum: 500 },
      },
    },
    since: from,
    expiresAt: from + 900_000,
    isVolatile: true,
  });
  run.stop.signal.throwIfAborted();
  pay({ state: "running", waits: [{ for: "answer", from, to: run.now() }] });
  const { approved, args: changed, reason } = decision as { approved: boolean; args?: unknown; reason?: string };
  await wait(80, run);
  pay({ state: "done", to: ["answer"] });
  if (!approved) {
    run.part(
      call("call-3", "refund.pay", args, { effects: "writes", state: "rejected", error: reason ?? "no reason given" }),
      asked,
    );
    await say(run, "I may not pay this back by myself. A colleague will write to you today.", wait);
    return;
  }
  run.part(
    call("call-3", "refund.pay", changed ?? args, {
      effects: "writes",
      state: "done",
      ms: 12,
      output: { paid: changed ?? args },
    }),
    asked,
  );
  await say(run, REFUND_ANSWER, wait);
}

function firstText(parts: readonly TurnPart[]): string {
  for (const part of parts) if (part.type === "text") return part.text.slice(0, 120);
  return "";
}
