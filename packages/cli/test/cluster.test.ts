import { cluster, memoryBackend, type Worker } from "@penguiflow/cluster";
import { create, type Logger, payloadNode } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, describe, expect, test } from "vitest";
import { main } from "../src/main.ts";
import { fakeIo } from "./fake-io.ts";
import { Scratch } from "./scratch.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const pack = payloadNode("pack", async (item: string): Promise<string> => {
  throw new Error(`no ${item} in stock`);
});
const orders = create(pack.to(), { name: "orders", logger: SILENT });

/** The backend of the running test, which the project's file shares with it. */
const SHARED = "penguiflowTestBackend";
const BACKEND_FILE = `export default () => ({ ...globalThis.${SHARED}, [Symbol.asyncDispose]: async () => {} });\n`;

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function shop() {
  const backend: ClusterBackend = memoryBackend();
  open.push(backend);
  Object.assign(globalThis, { [SHARED]: backend });
  return cluster({ name: "shop", backend, partitions: 4, leaseMs: 300, logger: SILENT });
}

async function working(made: ReturnType<typeof shop>, name: string, version = "1"): Promise<Worker> {
  const worker = made.worker({ name }).run(orders, { version });
  open.push(worker);
  const isOwned = async (): Promise<boolean> =>
    (await made.status()).flows.some((flow) => flow.version === version && flow.unowned.length === 0);
  while (!(await isOwned()) || worker.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  return worker;
}

async function penguiflow(...line: readonly string[]) {
  using project = new Scratch({ "backend.ts": BACKEND_FILE });
  const io = fakeIo(project.folder, { env: { PENGUIFLOW_BACKEND: "backend.ts", PENGUIFLOW_CLUSTER: "shop" } });
  const status = await main(["cluster", ...line], io);
  return { status, printed: io.printed(), said: io.said() };
}

describe("cluster", () => {
  test("status prints the flows and workers, and ends with 1 while something is wrong", async () => {
    const made = shop();
    const worker = await working(made, "ada");
    const fine = await penguiflow("status");
    expect(fine).toMatchObject({ status: 0, said: "" });
    expect(fine.printed).toMatch(/^cluster shop: no problem$/m);
    expect(fine.printed).toMatch(/^orders@1 +4 of 4 +1 /m);
    await worker.drain();
    const client = made.client();
    open.push(client);
    const called = client.outcome(orders, "tent");
    while ((await made.status()).problems.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const wrong = await penguiflow("status", "--json");
    expect(wrong.status).toBe(1);
    expect(JSON.parse(wrong.printed)).toMatchObject({
      problems: [{ what: "orders@1 has work, and no member runs it" }],
    });
    await working(made, "bert");
    await called;
  });

  test("drain ends a worker, and names those that there are when it is not known", async () => {
    const made = shop();
    const worker = await working(made, "ada");
    const unknown = await penguiflow("drain", "adda");
    expect(unknown).toMatchObject({ status: 7, printed: "" });
    expect(unknown.said).toContain('Cluster "shop" has no worker "adda"');
    expect(unknown.said).toContain("it has ada");
    const drained = await penguiflow("drain", "ada");
    expect(drained).toMatchObject({ status: 0, said: "" });
    expect(drained.printed).toMatch(/^ada has drained: it handed 4 partitions over in /);
    await worker.drained;
  });

  test("failed lists the failed traces of a flow, whose version is asked for where there are several", async () => {
    const made = shop();
    await working(made, "ada");
    const client = made.client();
    open.push(client);
    await client.outcome(orders, "tent", { id: "order-17" });
    const failed = await penguiflow("failed", "orders");
    expect(failed).toMatchObject({ status: 0, said: "" });
    expect(failed.printed).toMatch(/^order-17 .*NODE_EXCEPTION: no tent in stock$/m);
    expect(await penguiflow("failed", "order")).toMatchObject({ status: 7 });
    await working(made, "bert", "2");
    const several = await penguiflow("failed", "orders");
    expect(several.status).toBe(2);
    expect(several.said).toContain("say which of orders@1, orders@2");
    expect((await penguiflow("failed", "orders@2")).printed).toBe("orders@2: no failed trace\n");
    expect((await penguiflow("failed", "orders@1", "--tenant", "acme")).printed).toBe("orders@1: no failed trace\n");
  });

  test("refuses a backend that is not named, not there, or not opened", async () => {
    using project = new Scratch({
      "number.ts": "export default 1;\n",
      "closed.ts": 'export default () => { throw new Error("it is away"); };\n',
    });
    const run = async (...line: readonly string[]) => {
      const io = fakeIo(project.folder);
      return { status: await main(["cluster", "status", ...line], io), said: io.said() };
    };
    expect(await run()).toMatchObject({ status: 2, said: expect.stringContaining("use --backend") as string });
    expect(await run("--backend", "x.ts")).toMatchObject({
      status: 2,
      said: expect.stringContaining("use --cluster") as string,
    });
    expect(await run("--backend", "x.ts", "--cluster", "shop")).toMatchObject({ status: 7 });
    const invalid = await run("--backend", "number.ts", "--cluster", "shop");
    expect(invalid).toMatchObject({ status: 4, said: expect.stringContaining("must export a function") as string });
    const closed = await run("--backend", "closed.ts", "--cluster", "shop");
    expect(closed.said).toContain("Cannot open the backend closed.ts: it is away");
    expect(closed.status).toBe(1);
  });
});
