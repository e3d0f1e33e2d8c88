import { copyFileSync } from "node:fs";
import path from "node:path";
import { type Embedder, type Memory, MemoryError, openMemory } from "@penguiflow/memory-service";
import { sqliteStore } from "@penguiflow/memory-service/store";
import { create, Message, node } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import type { Payload } from "../envelope.ts";
import { embedder } from "../memory/embedder.ts";
import { ownFolder } from "../memory/own-folder.ts";
import type { MemoryRig } from "../workloads/memory.ts";
import type { FairRig, FairSetup } from "../workloads/memory-fair.ts";
import type { GrowthRig } from "../workloads/memory-growth.ts";
import type { ScanRig, ScanSetup } from "../workloads/memory-scan.ts";
import type { TenantsRig, TenantsSetup } from "../workloads/memory-tenants.ts";

/** The service as a library, in files. */
export function memory(): MemoryRig {
  const { folder, remove } = ownFolder();
  let opened = 0;
  return {
    note: "a kept text outlasts a killed process, not a power failure",
    async open() {
      opened += 1;
      const service = await openMemory({ directory: path.join(folder, String(opened)), embedder });
      const ada = service.as({ tenant: "house", user: "ada" });
      return {
        keep: async (text) => void (await ada.ingest({ text })),
        settled: async () => await service.drained(),
        find: async ({ asked }) => (await ada.retrieve({ query: asked, limit: 10 })).items.map(({ text }) => text),
        close: async () => await service.close(),
      };
    },
    close: async () => remove(),
  };
}

/** The kernel over bytes, as a tenant's block of vectors. */
export async function memoryScan({ vectors, dims, vectorAt }: ScanSetup): Promise<ScanRig> {
  const { VectorBlock } = await import("../../apps/memory-service/src/vector/vector-block.ts");
  const { Best } = await import("../../apps/memory-service/src/vector/best.ts");
  const { quantize } = await import("../../apps/memory-service/src/vector/quantize.ts");
  const block = new VectorBlock(dims);
  for (let place = 0; place < vectors; place += 1) block.put(place, quantize(vectorAt(place)));
  return {
    nearest(query) {
      const best = new Best(10);
      block.scan(quantize(query), best);
      return best.ranked();
    },
    close: async () => {},
  };
}

/** Two services, and a flow of empty nodes as the retrieve flow has them. */
export async function memoryGrowth(): Promise<GrowthRig> {
  const { folder, remove } = ownFolder();
  const open = async (name: string, worker: boolean) =>
    await openMemory({ directory: path.join(folder, name), embedder, worker, limits: { batch: 1_000 } });
  const services = { few: await open("few", false), many: await open("many", false) };
  const handleOf = (memory: "few" | "many") => services[memory].as({ tenant: "house", user: "ada" });
  const stage = (name: string, timeoutMs: number) =>
    node({ name, effects: "reads", policy: { timeoutMs } }, async (message: Message<Payload>) => message);
  const [prepare, search, rerank] = [stage("prepare", 800), stage("search", 1_500), stage("rerank", 1_500)];
  const finalize = stage("finalize", 500);
  const flow = create(prepare.to(search), search.to(rerank), rerank.to(finalize));
  flow.run();
  return {
    keep: async (memory, texts) => void (await handleOf(memory).ingest(texts.map((text) => ({ text })))),
    // kept texts have jobs, which wait for a worker
    async settled() {
      for (const name of ["few", "many"] as const) {
        await services[name].close();
        services[name] = await open(name, true);
        await services[name].drained();
      }
    },
    find: async (memory, { asked }) =>
      (await handleOf(memory).retrieve({ query: asked, limit: 10 })).items.map(({ text }) => text),
    pass: async () => {
      const message = new Message({ payload: { id: 1, text: "penguins" }, headers: { tenant: "house" } });
      if ((await flow.outcome(message, { timeoutMs: 10_000 })).status !== "completed") throw new Error("Not completed");
    },
    async close() {
      await flow.stop();
      await Promise.all([services.few.close(), services.many.close()]);
      remove();
    },
  };
}

/** A service on a clock of its own, so that idle tenants need no minutes. */
export async function memoryTenants({ tenants, texts }: TenantsSetup): Promise<TenantsRig> {
  const { folder, remove } = ownFolder();
  await using first = await openMemory({ directory: folder, embedder });
  for (let at = 0; at < texts.length; at += 100)
    await first.as({ tenant: "t0", user: "ada" }).ingest(texts.slice(at, at + 100).map((text) => ({ text })));
  await first.drained();
  await first.close();
  const clock = new TestClock();
  let service: Memory | undefined;
  let made = 1;
  return {
    async open(count) {
      await service?.close();
      await using store = sqliteStore({ directory: folder });
      for (; made < Math.min(count, tenants); made += 1) {
        copyFileSync(path.join(folder, "tenants/t0.db"), path.join(folder, `tenants/t${made}.db`));
        await store.catalog.addTenant(`t${made}`);
      }
      service = await openMemory({ directory: folder, embedder, clock });
      await service.drained();
    },
    find: async (tenant, { asked }) =>
      (await service!.as({ tenant: `t${tenant}`, user: "ada" }).retrieve({ query: asked, limit: 10 })).items.map(
        ({ text }) => text,
      ),
    async rest() {
      for (let minute = 0; minute < 6; minute += 1) {
        await clock.advance(60_000);
        await service!.drained();
      }
    },
    async close() {
      await service?.close();
      remove();
    },
  };
}

/** Lets a busy machine give up some requests of a flood. */
function unlessLate(error: unknown): void {
  if (!(error instanceof MemoryError) || error.code !== "DEADLINE") throw error;
}

/** A service whose embedder never answers for one tenant. */
export async function memoryFair({ texts }: FairSetup): Promise<FairRig> {
  const { folder, remove } = ownFolder();
  const { promise: never } = Promise.withResolvers<void>();
  const { promise: hangs, resolve } = Promise.withResolvers<void>();
  const hanging: Embedder = {
    ...embedder,
    embed: async (all, signal, kind) => {
      if (kind === "fragment" && all.includes("hang")) {
        resolve();
        await never;
      }
      return await embedder.embed(all, signal, kind);
    },
  };
  const service = await openMemory({ directory: folder, embedder: hanging });
  const ada = service.as({ tenant: "third", user: "ada" });
  for (let at = 0; at < texts.length; at += 100) await ada.ingest(texts.slice(at, at + 100).map((text) => ({ text })));
  await service.drained();
  let begun = 0;
  let isOver = false;
  let clients: readonly Promise<void>[] = [];
  const flood = service.as({ tenant: "flood", user: "eve" });
  const client = async (): Promise<void> => {
    while (begun < 10_000 && !isOver) {
      begun += 1;
      await flood.ingest({ text: texts[begun % texts.length]! }).catch(unlessLate);
    }
  };
  return {
    find: async ({ asked }) => (await ada.retrieve({ query: asked, limit: 10 })).items.map(({ text }) => text),
    async disturb() {
      await service.as({ tenant: "slow", user: "eve" }).ingest({ text: "hang" });
      await hangs;
      clients = Array.from({ length: service.limits.tenantRequests }, client);
    },
    async calm() {
      isOver = true;
      await Promise.all(clients);
      return begun;
    },
    async close() {
      await service.close();
      remove();
    },
  };
}
