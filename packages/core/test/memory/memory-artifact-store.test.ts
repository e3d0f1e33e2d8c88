import { describe, expect, test } from "vitest";
import { MemoryArtifactStore } from "penguiflow";
import { artifactStoreContract } from "penguiflow/testing";

const rules = artifactStoreContract({ make: () => new MemoryArtifactStore() });

describe("the artifact store in memory", () => {
  test.for(rules)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });

  test("removes the oldest content when it is full, and never the newest", async () => {
    const store = new MemoryArtifactStore({ maxBytes: 10 });
    const put = async (byte: number, length: number) =>
      await store.put("ada", { mediaType: "text/plain", data: new Uint8Array(length).fill(byte) });
    const [one, two, three] = [await put(1, 5), await put(2, 5), await put(3, 20)];
    const kept = await Promise.all([one, two, three].map(({ id }) => store.get("ada", id)));
    expect(kept.map((each) => each?.data.length)).toEqual([undefined, undefined, 20]);
  });

  test("refuses options that are unknown or out of range", () => {
    expect(() => new MemoryArtifactStore({ maxBytes: 0 })).toThrow(RangeError);
    expect(() => new MemoryArtifactStore({ max: 1 } as never)).toThrow(TypeError);
  });
});
