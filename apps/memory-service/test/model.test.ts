import * as fc from "fast-check";
import { expect, test } from "vitest";
import { openMemory } from "@penguiflow/memory-service";
import { BUSY, EVERYONE, operation, Pair, someone } from "./paired-service.ts";

const history = fc.array(operation, { minLength: 5, maxLength: 30 });
const RUNS = Number(process.env["MEMORY_HISTORIES"] ?? 60);

test(
  "M1–M6, M9: after every history, each user is shown and finds exactly what the oracle allows",
  { timeout: 600_000 },
  async () => {
    const property = fc.asyncProperty(history, fc.infiniteStream(fc.nat(1_000)), async (operations, choices) => {
      await using memory = await openMemory();
      const pair = new Pair(memory);
      const choose = (): number => Number(choices.next().value);
      for (const one of operations) {
        await pair.apply(one);
        const { touched } = pair;
        for (const by of [BUSY[choose() % BUSY.length], EVERYONE[choose() % EVERYONE.length]])
          if (by !== undefined) await pair.compare(by, touched[choose() % touched.length] ?? "none");
      }
    });
    await expect(fc.assert(property, { numRuns: RUNS })).resolves.toBeUndefined();
  },
);

test(
  "M2, M5: recalls that overlap with changes have nothing that was hidden before they began and after they ended",
  { timeout: 600_000 },
  async () => {
    const property = fc.asyncProperty(
      history,
      fc.array(someone, { minLength: 4, maxLength: 4 }),
      async (operations, readers) => {
        await using memory = await openMemory();
        const pair = new Pair(memory);
        for (const [at, one] of operations.entries()) {
          const reader = readers[at % readers.length] ?? { tenant: "red", user: "ada" };
          const before = pair.oracle.visible(reader);
          const reads = Array.from(
            { length: 3 },
            async () => await pair.as(reader).retrieve({ query: "word", limit: 50, maxTokens: 100_000 }),
          );
          const listed = pair.as(reader).list({ limit: 100 });
          await pair.apply(one);
          const late = pair.as(reader).retrieve({ query: "word", limit: 50, maxTokens: 100_000 });
          const after = pair.oracle.visible(reader);
          const allowed = new Set([...before, ...after]);
          for (const { items } of [...(await Promise.all(reads)), await listed])
            expect(items.map(({ id }) => id).filter((id) => !allowed.has(id))).toEqual([]);
          expect((await late).items.map(({ id }) => id).filter((id) => !after.includes(id))).toEqual([]);
        }
      },
    );
    await expect(fc.assert(property, { numRuns: RUNS })).resolves.toBeUndefined();
  },
);
