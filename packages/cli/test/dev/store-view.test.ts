import { create, MemoryStateStore, payloadNode } from "penguiflow";
import type { ApiProblem, Page, ProjectView, RunEvent, RunSummary, RunView } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { openServer } from "../../src/dev/server/open-server.ts";
import { storeRoutes } from "../../src/dev/store-view/store-routes.ts";

test("the pages read a state store, and change nothing in it", async () => {
  const store = new MemoryStateStore();
  const double = payloadNode("double", (value: number) => {
    if (value < 0) throw new RangeError("too small");
    return value * 2;
  });
  await using flow = create(double.to(), { name: "doubles", stateStore: store });
  flow.run();
  await flow.call(1, { traceId: "one" });
  await flow.outcome(-1, { traceId: "two" });
  await flow.flush();
  const server = await openServer({
    routes: storeRoutes(store, "runs.db"),
    place: { host: "127.0.0.1", port: 0, isChosen: true },
    token: undefined,
    isReadOnly: true,
    onFault: (error) => {
      throw error;
    },
  });
  const api = async <Body>(path: string, method = "GET"): Promise<Body> => {
    const headers = { authorization: `Bearer ${server.token}` };
    return (await (await fetch(`${server.origin}/api${path}`, { method, headers })).json()) as Body;
  };
  try {
    expect(await api<ProjectView>("/project")).toMatchObject({ name: "runs.db", isReadOnly: true, flows: [] });
    const { items } = await api<Page<RunSummary>>("/runs");
    expect(new Map(items.map(({ id, state }) => [id, state]))).toEqual(
      new Map([
        ["one", "completed"],
        ["two", "failed"],
      ]),
    );
    expect((await api<Page<RunSummary>>("/runs?state=failed")).items).toMatchObject([
      { id: "two", error: { code: "NODE_EXCEPTION" } },
    ]);
    const { steps, state } = await api<RunView>("/runs/doubles/one");
    expect([state, steps.map(({ node, state: at }) => [node, at])]).toEqual(["completed", [["double", "done"]]]);
    const events = await api<Page<RunEvent>>("/runs/doubles/one/events");
    expect(events.items.map(({ event }) => event.type)).toEqual([
      "trace_start",
      "node_start",
      "node_success",
      "trace_end",
    ]);
    expect((await api<ApiProblem>("/runs/doubles/none")).error.code).toBe("RUN_UNKNOWN");
    expect((await api<ApiProblem>("/runs/doubles/one", "DELETE")).error.code).toBe("METHOD_WRONG");
  } finally {
    await server.close();
  }
});
