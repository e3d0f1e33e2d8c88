import type { FlowEvent } from "penguiflow";
import { OPEN_SEA, ROOKERY } from "../../src/graph/drawn-graph.ts";
import type {
  GraphJson,
  ModelCallView,
  RunEvent,
  RunState,
  RunSummary,
  RunView,
  StepMessages,
  StepView,
} from "../../src/protocol.ts";

/** The graph of the support agent: a guard, a plan, two look-ups, a join, a refund that a person approves, an answer. */
export const supportGraph: GraphJson = {
  nodes: [
    nodeOf("guard", { isIngress: true }),
    nodeOf("plan", { effects: "reads" }),
    nodeOf("orders", { effects: "reads", policy: { maxRetries: 2 } }),
    nodeOf("policies", { effects: "reads" }),
    { ...nodeOf("gather"), kind: "join", gathering: { count: 2, whenShort: "fail" } },
    nodeOf("refund", { effects: "writes" }),
    nodeOf("answer", { isEgress: true, effects: "reads" }),
  ],
  edges: [
    [OPEN_SEA, "guard"],
    ["guard", "plan"],
    ["plan", "orders"],
    ["plan", "policies"],
    ["orders", "gather"],
    ["policies", "gather"],
    ["gather", "refund"],
    ["refund", "answer"],
    ["answer", ROOKERY],
  ].map(([from, to]) => ({ from: from!, to: to!, kind: "forward" })),
  rings: [],
};

function nodeOf(name: string, more: Partial<GraphJson["nodes"][number]> = {}): GraphJson["nodes"][number] {
  return { name, kind: "node", isIngress: false, isEgress: false, isController: false, policy: {}, ...more };
}

const QUESTION = "Where is order 4471? I want my money back.";

/** Makes a run of the support agent that began at an instant: an attempt fails, a person approves, an answer comes. */
export function supportRun(id: string, startedAt: number, state: RunState = "completed"): RunView {
  const steps = stepsOf(startedAt).filter(({ node }) => state === "completed" || node !== "answer");
  const last = steps.at(-1)!;
  const isOpen = state === "running" || state === "paused";
  return {
    id,
    flow: "support",
    tenant: "acme",
    state,
    startedAt,
    ...(!isOpen && { endedAt: last.endedAt!, durationMs: last.endedAt! - startedAt }),
    thread: "thread-8678",
    input: `{"text":"${QUESTION}"}`,
    output: "Order 4471 was lost by the carrier. I have refunded 49.90 €.",
    retries: 1,
    tokens: { in: 1_204, out: 96 },
    costUsd: 0.003,
    openPauses: state === "paused" ? 1 : 0,
    inputValue: { text: QUESTION },
    results: state === "completed" ? [{ text: "Order 4471 was lost by the carrier. I have refunded 49.90 €." }] : [],
    budgets: [
      { name: "hops", spent: 2, limit: 8 },
      { name: "tokens", spent: 1_300, limit: 4_000 },
      { name: "cost", spent: 0.003 },
    ],
    deadlineAt: startedAt + 30_000,
    steps,
    pauses: [],
    parts: [],
    generation: 1,
    isWhole: true,
  };
}

function stepsOf(start: number): StepView[] {
  let seq = 0;
  const step = (node: string, from: number, to: number, more: Partial<StepView> = {}): StepView => ({
    id: `${node}.${more.attempt ?? 1}`,
    seq: (seq += 10),
    node,
    path: [],
    attempt: 1,
    state: "done",
    queuedAt: start + from,
    startedAt: start + from + 1.5,
    returnedAt: start + to,
    endedAt: start + to,
    waits: [],
    to: [],
    canRunAgain: true,
    ...more,
  });
  const failed = { code: "NODE_EXCEPTION", message: "503 from the shop", place: "src/orders.ts:31" };
  return [
    step("guard", 0, 187, { to: ["plan"] }),
    step("plan", 187, 1_096, {
      from: "guard",
      to: ["orders", "policies"],
      returnedAt: start + 1_020,
      effects: "reads",
    }),
    step("orders", 1_096, 1_358, { from: "plan", state: "retried", error: failed, effects: "reads" }),
    step("policies", 1_096, 1_749, { from: "plan", to: ["gather"], startedAt: start + 1_180, effects: "reads" }),
    step("orders", 1_438, 1_746, { from: "plan", to: ["gather"], attempt: 2, effects: "reads" }),
    step("gather", 1_749, 1_750, { from: "orders", to: ["refund"], startedAt: start + 1_749.2 }),
    step("refund", 1_750, 3_880, {
      from: "gather",
      to: ["answer"],
      effects: "writes",
      waits: [{ for: "answer", from: start + 1_756, to: start + 3_874 }],
    }),
    step("find", 3_880, 4_020, { path: ["compose"], from: "refund" }),
    step("word", 4_020, 4_600, { path: ["compose"], from: "find" }),
    step("answer", 3_880, 4_806, { from: "refund", to: [ROOKERY], effects: "reads" }),
  ];
}

/** Makes the messages of a step. */
export function messagesOf(run: RunView, stepId: string): StepMessages {
  const step = run.steps.find(({ id }) => id === stepId)!;
  const fact = "Order 4471 was **lost** by the carrier; it cost 49.90 €.";
  const input = { text: QUESTION, order: "4471" };
  const message = (node: string, at: number, payload: unknown) => ({ node, lineage: stepId, at, payload });
  return {
    step: stepId,
    input: message(step.from ?? OPEN_SEA, step.queuedAt, step.node === "guard" ? { text: QUESTION } : input),
    outputs: step.to.map((node) => message(node, step.endedAt ?? step.queuedAt, { ...input, from: step.node, fact })),
    chunks: [],
    logs: step.node === "orders" ? [{ at: step.queuedAt + 20, stream: "stdout", text: "GET /orders/4471" }] : [],
    events: eventsOf(run).flatMap(({ event, lineage }) => (lineage === step.node ? [event] : [])),
    ...(step.error && {
      error: {
        ...step.error,
        stack: `Error: ${step.error.message}\n    at find (src/orders.ts:31:11)\n    at orders (src/flow.ts:12:9)`,
      },
    }),
  };
}

/** Makes the model calls of a run. */
export function modelCallsOf(run: RunView): ModelCallView[] {
  return run.steps
    .filter(({ node }) => node === "plan" || node === "answer")
    .map((step, call) => ({
      step: step.id,
      call,
      provider: "scripted",
      model: "scripted-1",
      startedAt: step.startedAt!,
      ms: step.returnedAt! - step.startedAt!,
      request: {
        messages: [
          { role: "system", content: "You help customers of a shop. Look things up before you answer." },
          { role: "user", content: QUESTION },
        ],
        tools: [{ name: "orders.get", parameters: { type: "object", properties: { id: { type: "string" } } } }],
        temperature: 0,
      },
      reply: [{ type: "call", tool: "orders.get", args: { id: "4471" } }],
      tokens: { in: 602, out: 48 },
      costUsd: 0.0015,
    }));
}

/** Makes the records of a run, in order. */
export function eventsOf(run: RunView): RunEvent[] {
  const records: Omit<RunEvent, "seq">[] = [];
  const depths = new Map<string, number>();
  for (const step of run.steps) {
    const flow = ["support", ...step.path].join("/");
    const base = {
      flow,
      traceId: run.id,
      tenant: run.tenant,
      node: step.node,
      attempt: step.attempt,
      queueDepth: 0,
      inflight: 1,
    };
    const add = (at: number | undefined, event: object, edges: Record<string, number> = {}): void => {
      if (at === undefined) return;
      const changed = Object.keys(edges).length > 0;
      const from = step.from;
      records.push({
        at,
        event: { ...base, at, ...event } as FlowEvent,
        lineage: step.node,
        ...(from && { from }),
        ...(changed && { edges }),
      });
    };
    const into = `${step.from ?? OPEN_SEA}>${step.node}`;
    add(step.startedAt, { type: "node_start", queueMs: 1 }, { [into]: depths.get(into) ?? 0 });
    for (const wait of step.waits) add(wait.from, { type: "node_pause", reason: "May refund.pay run?" });
    for (const wait of step.waits) add(wait.to, { type: "node_start", queueMs: 0 });
    if (step.error !== undefined) {
      add(step.endedAt, { type: "node_error", latencyMs: 260, error: { ...step.error, retryable: true } });
      add(step.endedAt, { type: "node_retry", delayMs: 80 });
    } else {
      const edges = Object.fromEntries(step.to.map((to) => [`${step.node}>${to}`, to === ROOKERY ? 0 : 1]));
      add(step.endedAt, { type: "node_success", queueMs: 1, runMs: 1, emitMs: 0, latencyMs: 1 }, edges);
    }
  }
  records.push({
    at: run.endedAt ?? run.startedAt + 4_806,
    event: {
      type: "trace_end",
      flow: "support",
      traceId: run.id,
      tenant: run.tenant,
      at: 0,
      seq: records.length,
      status: "completed",
      durationMs: 4_806,
      results: 1,
    },
  });
  return records
    .sort((a, b) => a.at - b.at)
    .map((record, seq) => ({
      seq,
      ...record,
      ...(record.event.type === "node_success" && { memory: { facts: seq } }),
    }));
}

/** Makes short forms of many runs, newest first. */
export function manyRuns(count: number, now: number): RunSummary[] {
  const states: readonly RunState[] = [
    "completed",
    "completed",
    "completed",
    "failed",
    "completed",
    "paused",
    "exhausted",
    "cancelled",
  ];
  return Array.from({ length: count }, (_, index): RunSummary => {
    const state = index === 0 ? "running" : states[index % states.length]!;
    const startedAt = now - index * 7_313 - 4_806;
    const durationMs = 300 + ((index * 7_919) % 9_000);
    const isOpen = state === "running" || state === "paused";
    return {
      id: `run-${(0x3001f0ec + index * 7_919).toString(16)}`,
      flow: index % 5 === 4 ? "wide" : "support",
      tenant: ["acme", "globex", "initech"][index % 3]!,
      state,
      startedAt,
      ...(!isOpen && { endedAt: startedAt + durationMs, durationMs }),
      input: [QUESTION, "Can I change the address of order 88?", "What is your policy on lost parcels?"][index % 3]!,
      ...(state === "completed" && { output: "Order 4471 was lost by the carrier. I have refunded 49.90 €." }),
      ...(state === "failed" && { error: { code: "NODE_EXCEPTION", message: "503 from the shop", node: "orders" } }),
      ...(state === "exhausted" && { error: { code: "DEADLINE_EXCEEDED", message: "The deadline of 30 s passed" } }),
      retries: index % 4 === 0 ? 1 : 0,
      tokens: { in: 900 + ((index * 31) % 700), out: 40 + (index % 90) },
      costUsd: 0.001 + (index % 7) / 1_000,
      openPauses: state === "paused" ? 1 : 0,
    };
  });
}
