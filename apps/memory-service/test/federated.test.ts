import { expect, test } from "vitest";
import { type MemoryStore, sqliteStore } from "@penguiflow/memory-service/store";
import { ownMemory } from "./own-memory.ts";

const EVE = { tenant: "blue", user: "eve" };

/** A store in which reads of some tenants fail or hang, once it is told so. */
function partlyBroken(trouble: Readonly<Record<string, () => Promise<never>>>): MemoryStore & { isBroken: boolean } {
  const store = sqliteStore();
  const own: MemoryStore & { isBroken: boolean } = {
    isBroken: false,
    catalog: store.catalog,
    read: async (tenant, work) => {
      if (own.isBroken) await trouble[tenant]?.();
      return await store.read(tenant, work);
    },
    write: async (tenant, work) => await store.write(tenant, work),
    purge: async (tenant) => await store.purge(tenant),
    eraseTenant: async (tenant) => await store.eraseTenant(tenant),
    close: async () => await store.close(),
    [Symbol.asyncDispose]: async () => await store.close(),
  };
  return own;
}

test("a federated answer is partial when a source fails or is slow, and says which", async () => {
  const store = partlyBroken({
    red: async () => await Promise.reject(new Error("the disk is broken")),
    green: async () => await new Promise<never>(() => {}),
  });
  const memory = await ownMemory({ store });
  for (const tenant of ["red", "green", "white"]) {
    const owner = memory.as({ tenant, user: "ada" });
    const { id } = await owner.ingest({ text: `penguins of ${tenant}` });
    await owner.share(id, EVE);
  }
  await memory.as(EVE).ingest({ text: "penguins at home" });
  store.isBroken = true;
  const { items, sources } = await memory.as(EVE).federatedQuery({ query: "penguins" });
  expect(items.map(({ text }) => text).toSorted()).toEqual(["penguins at home", "penguins of white"]);
  expect(sources).toEqual([
    { tenant: "blue", status: "ok", found: 1 },
    { tenant: "green", status: "timeout", found: 0 },
    { tenant: "red", status: "failed", found: 0 },
    { tenant: "white", status: "ok", found: 1 },
  ]);
});

test("a tenant whose grants have all ended or were taken back is no source any more", async () => {
  const memory = await ownMemory();
  const owner = memory.as({ tenant: "red", user: "ada" });
  const { id } = await owner.ingest({ text: "penguins" });
  await owner.share(id, EVE);
  const sources = async (): Promise<string[]> =>
    (await memory.as(EVE).federatedQuery({ query: "penguins" })).sources.map(({ tenant }) => tenant);
  expect(await sources()).toEqual(["blue", "red"]);
  await owner.setPrivacy(id, "private");
  expect(await sources()).toEqual(["blue"]);
  await owner.share(id, EVE);
  await owner.erase(id);
  expect(await sources()).toEqual(["blue"]);
});
