import { expect, test } from "vitest";
import { DOORS, playHistories } from "../test/model/play-histories.ts";
import { OwnSchema } from "./server.ts";

test.for(Object.keys(DOORS))(
  "M1–M6, M9: some order of overlapping requests explains every answer, over %s, on PostgreSQL",
  { timeout: 600_000 },
  async (door) => {
    await using schema = await OwnSchema.create();
    const store = await schema.open();
    await expect(playHistories(door, { store, histories: 10 })).resolves.toBeUndefined();
  },
);
