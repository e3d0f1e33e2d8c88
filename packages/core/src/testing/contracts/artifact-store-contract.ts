import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { type ContractCase, inTime, requireSame } from "./contract.ts";

/** Options of {@link artifactStoreContract}. */
export interface ArtifactStoreContract {
  /** Creates a store without content. */
  readonly make: () => ArtifactStore | Promise<ArtifactStore>;
  /** Called with each store at the end of its case. @defaultValue does nothing */
  readonly close?: (store: ArtifactStore) => void | Promise<void>;
}

/** Returns the rules of the `ArtifactStore` port, for authors of adapters. Each case creates its own store. */
export function artifactStoreContract(options: ArtifactStoreContract): ContractCase[] {
  requireKnownKeys("artifactStoreContract", options, ["make", "close"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const store = await options.make();
      try {
        await inTime(`"${name}"`, rule(store));
      } finally {
        await options.close?.(store);
      }
    },
  }));
}

const text = { mediaType: "text/plain", data: new TextEncoder().encode("penguins") };

const rules: Readonly<Record<string, (store: ArtifactStore) => Promise<void>>> = {
  async "keeps content as it was"(store) {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
    const ref = await store.put("ada", { mediaType: "application/pdf", data: bytes });
    requireSame("The reference", [ref.mediaType, ref.size], ["application/pdf", bytes.length]);
    const kept = await store.get("ada", ref.id);
    requireSame("The media type", kept?.mediaType, "application/pdf");
    requireSame("The bytes", [...(kept?.data ?? [])].join(), [...bytes].join());
    const none = await store.put("ada", { mediaType: "text/plain", data: new Uint8Array() });
    requireSame("The length of nothing", (await store.get("ada", none.id))?.data.length, 0);
  },
  async "gives the same content of a tenant the same id"(store) {
    const [one, two] = [await store.put("ada", text), await store.put("ada", text)];
    const other = await store.put("ada", { ...text, mediaType: "text/html" });
    requireSame("Whether the ids are the same", [one.id === two.id, one.id === other.id], [true, false]);
  },
  async "returns no other tenant's content, and removes none"(store) {
    const { id } = await store.put("ada", text);
    requireSame("The content for another tenant", await store.get("bea", id), undefined);
    await store.remove("bea", id);
    requireSame("The media type", (await store.get("ada", id))?.mediaType, "text/plain");
  },
  async "removes content; an unknown id is no error"(store) {
    const { id } = await store.put("ada", text);
    await store.remove("ada", id);
    await store.remove("ada", id);
    requireSame("The removed content", await store.get("ada", id), undefined);
  },
  async "keeps its own copy of what it is given"(store) {
    const data = new TextEncoder().encode("before");
    const { id } = await store.put("ada", { mediaType: "text/plain", data });
    data.fill(0);
    requireSame("The text", new TextDecoder().decode((await store.get("ada", id))?.data), "before");
  },
};
