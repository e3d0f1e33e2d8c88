import { flowToMermaid, Message } from "penguiflow";
import { lintFlow } from "penguiflow/lint";
import {
  assertNodeSequence,
  assertPreservesMessageEnvelope,
  getRecordedEvents,
  runOne,
  simulateError,
} from "penguiflow/testing";
import { expect, onTestFinished, test } from "vitest";
import { businessEventsOf } from "../src/telemetry/business-event.ts";
import { type FlowBench, flowBench } from "./flow-services.ts";

const retrieve = { limit: 10, maxTokens: 2_000, explain: false, filter: {}, type: "auto_recalled" } as const;

async function kept({ flows, ada }: FlowBench, text = "The gate code is 4711."): Promise<string> {
  const fragments = [{ text, level: "private", role: "user", conversation: "door" }] as const;
  const { flow, registry } = flows.ingest;
  return (await runOne(flow, { principal: ada, fragments }, { registry, tenant: "acme" })).payload.id;
}

test("an ingest goes through normalize, classify, persist and finalize, and wakes the worker of its tenant", async () => {
  const bench = flowBench();
  const message = new Message({
    payload: {
      principal: bench.ada,
      fragments: [{ text: "The gate code is 4711.", level: "private" as const, role: "user" as const }],
    },
    headers: { tenant: "acme", topic: "memory.ingest" },
    meta: { origin: "a test" },
  });
  const { flow, registry } = bench.flows.ingest;
  const answer = await runOne(flow, message, { registry });
  assertNodeSequence(message.traceId, ["normalize", "classify", "persist", "finalize"]);
  expect(answer.payload).toMatchObject({ created: true, same: [], feedback: "none" });
  expect(answer.meta["origin"]).toBe("a test");
  expect(bench.woken).toEqual(["acme"]);
  const jobs = await bench.services.store.read("acme", async (rows) => await rows.jobs.figures());
  expect(jobs.waiting).toBe(1);
});

test("the business events of an ingest are in meta, with digests in place of names", async () => {
  const bench = flowBench();
  const { flow, registry } = bench.flows.ingest;
  const fragments = [{ text: "secret words", level: "private", role: "user" }] as const;
  const answer = await runOne(flow, { principal: bench.ada, fragments }, { registry });
  const events = businessEventsOf(answer.meta);
  expect(events.map(({ event }) => event)).toEqual(["memory_event.created"]);
  expect(JSON.stringify(events)).not.toMatch(/secret|acme|ada"/);
});

test("a write that fails once is repeated, and what it keeps is there once", async () => {
  const bench = flowBench();
  const { flow, registry, nodes } = bench.flows.ingest;
  onTestFinished(simulateError(nodes.persist, { error: new Error("the disk is busy"), onAttempt: 1 }));
  const fragments = [{ text: "once", level: "private", role: "user" }] as const;
  const answer = await runOne(flow, { principal: bench.ada, fragments }, { registry });
  const types = getRecordedEvents(answer.traceId).map(({ type }) => type);
  expect(types).toContain("node_retry");
  assertNodeSequence(answer.traceId, ["normalize", "classify", "persist", "finalize"], { mode: "collapseRetries" });
  expect(await bench.services.store.read("acme", async (rows) => await rows.fragments.count())).toBe(1);
});

test("a classifier that fails keeps nothing from being kept", async () => {
  const bench = flowBench();
  const { flow, registry, nodes } = bench.flows.ingest;
  onTestFinished(simulateError(nodes.classify, { error: new Error("no model") }));
  const fragments = [{ text: "kept all the same", level: "private", role: "user" }] as const;
  const answer = await runOne(flow, { principal: bench.ada, fragments }, { registry });
  expect(answer.payload).toMatchObject({ created: true, feedback: "none" });
  expect(getRecordedEvents(answer.traceId).map(({ type }) => type)).toContain("node_fallback");
});

test("nodes keep headers, trace id and meta", async () => {
  const { flows, ada } = flowBench();
  const message = new Message({
    payload: { principal: ada, fragments: [{ text: "a", level: "private" as const, role: "user" as const }] },
    headers: { tenant: "acme", topic: "memory.ingest", priority: 2 },
    meta: { origin: "a test" },
  });
  const normalized = await assertPreservesMessageEnvelope(flows.ingest.nodes.normalize, { message });
  expect(normalized.payload.fragments[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
  const ask = message.with({ payload: { principal: ada, query: "gate", ...retrieve } });
  await assertPreservesMessageEnvelope(flows.autoRetrieve.nodes.prepare, { message: ask });
});

test("a retrieval goes through prepare, search, rerank_and_diversify and finalize, and logs auto_recalled", async () => {
  const bench = flowBench();
  const id = await kept(bench);
  const { flow, registry } = bench.flows.autoRetrieve;
  const answer = await runOne(flow, { principal: bench.ada, query: "gate code?", ...retrieve }, { registry });
  assertNodeSequence(answer.traceId, ["prepare", "search", "rerank_and_diversify", "finalize"]);
  expect(answer.payload.recall.items.map((item) => item.id)).toEqual([id]);
  expect(businessEventsOf(answer.meta).map(({ event }) => event)).toEqual(["memory_event.auto_recalled"]);
});

test("a search that fails once is repeated", async () => {
  const bench = flowBench();
  const id = await kept(bench);
  const { flow, registry, nodes } = bench.flows.autoRetrieve;
  onTestFinished(simulateError(nodes.search, { error: new Error("locked") }));
  const answer = await runOne(flow, { principal: bench.ada, query: "gate code", ...retrieve }, { registry });
  expect(answer.payload.recall.items.map((item) => item.id)).toEqual([id]);
});

test("an embedding batch goes through load, embed, index and record, and leaves no job", async () => {
  const bench = flowBench();
  await kept(bench);
  const { store, models } = bench.services;
  const model = models.current?.name ?? "";
  const now = bench.services.clock.epochNow();
  const jobs = await store.write("acme", async (rows) => await rows.jobs.claim(model, 64, now, now + 60_000));
  const { flow, registry, nodes } = bench.flows.embedding;
  onTestFinished(simulateError(nodes.index, { error: new Error("locked") }));
  const gone = { id: 999, seq: 999, version: 1, attempts: 1 };
  const answer = await runOne(flow, { principal: bench.ada, model, jobs: [...jobs, gone] }, { registry });
  assertNodeSequence(answer.traceId, ["load", "embed", "index", "record"], { mode: "collapseRetries" });
  expect(answer.payload).toEqual({ embedded: 1, dropped: 1 });
  const left = await store.read("acme", async (rows) => ({
    jobs: await rows.jobs.figures(),
    vectors: await rows.vectors.count(model),
  }));
  expect(left).toMatchObject({ jobs: { waiting: 0, running: 0, dead: 0 }, vectors: 1 });
});

test("changes of a fragment go through authorize, apply and finalize; a failed write is repeated", async () => {
  const bench = flowBench();
  const { flows, ada } = bench;
  const id = await kept(bench);
  const newer = await kept(bench, "The gate code is 1147 now.");
  const grantee = { tenant: "acme", user: "bob" };
  const runs = [
    () => runOne(flows.reinforce.flow, { principal: ada, id, value: 1 }, { registry: flows.reinforce.registry }),
    () => runOne(flows.share.flow, { principal: ada, id, grantee }, { registry: flows.share.registry }),
    () => runOne(flows.unshare.flow, { principal: ada, id, grantee }, { registry: flows.unshare.registry }),
    () =>
      runOne(flows.setPrivacy.flow, { principal: ada, id, level: "tenant" }, { registry: flows.setPrivacy.registry }),
    () => runOne(flows.supersede.flow, { principal: ada, id, by: newer }, { registry: flows.supersede.registry }),
    () => runOne(flows.erase.flow, { principal: ada, id }, { registry: flows.erase.registry }),
  ] as const;
  const { reinforce, share, unshare, setPrivacy, supersede, erase } = flows;
  for (const { nodes } of [reinforce, share, unshare, setPrivacy, supersede, erase])
    onTestFinished(simulateError(nodes.apply, { error: new Error("locked") }));
  for (const run of runs) {
    const { traceId, meta } = await run();
    assertNodeSequence(traceId, ["authorize", "apply", "finalize"], { mode: "collapseRetries" });
    expect(getRecordedEvents(traceId).map(({ type }) => type)).toContain("node_retry");
    expect(businessEventsOf(meta)).toHaveLength(1);
  }
});

test("feedback goes through normalize, classify, apply and finalize", async () => {
  const bench = flowBench();
  const id = await kept(bench);
  const { flow, registry } = bench.flows.feedback;
  const answer = await runOne(flow, { principal: bench.ada, about: { id, helpful: true } }, { registry });
  assertNodeSequence(answer.traceId, ["normalize", "classify", "apply", "finalize"]);
  expect(answer.payload).toEqual({ kind: "confirmed", applied: 1 });
});

test("a federated query goes through plan, gather, fuse and finalize", async () => {
  const bench = flowBench();
  const id = await kept(bench);
  const { flow, registry } = bench.flows.federatedQuery;
  const request = { principal: bench.ada, query: "gate code", ...retrieve, type: "recalled" } as const;
  const answer = await runOne(flow, request, { registry });
  assertNodeSequence(answer.traceId, ["plan", "gather", "fuse", "finalize"]);
  expect(answer.payload.recall).toMatchObject({
    items: [{ id }],
    sources: [{ tenant: "acme", status: "ok", found: 1 }],
  });
});

test("every node says which effects it has and has models under its name, and no flow has a finding", () => {
  for (const { flow, registry } of Object.values(flowBench().flows)) {
    const nodes = flow.graph.vertices.map(({ node }) => node);
    expect(nodes.filter(({ effects }) => effects === undefined)).toEqual([]);
    expect(registry.names()).toEqual(nodes.map(({ name }) => name));
    expect(lintFlow(flow)).toEqual([]);
    expect(flowToMermaid(flow)).toContain(nodes[0]?.name);
  }
});
