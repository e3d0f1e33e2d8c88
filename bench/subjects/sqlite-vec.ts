import { DatabaseSync } from "node:sqlite";
import type { ScanRig, ScanSetup } from "../workloads/memory-scan.ts";

export const library = "sqlite-vec";

/** A table of 32-bit floats in memory. By Euclidean distance, which has SIMD there; of unit vectors the order is the same. */
export async function memoryScan({ vectors, dims, vectorAt }: ScanSetup): Promise<ScanRig | string> {
  const { load } = await import("sqlite-vec");
  const database = new DatabaseSync(":memory:", { allowExtension: true });
  try {
    load(database);
  } catch {
    return `has no binary for ${process.platform}-${process.arch} here`;
  }
  database.exec(`create virtual table vectors using vec0 (vector float[${dims}])`);
  const insert = database.prepare("insert into vectors (rowid, vector) values (?, ?)");
  database.exec("begin");
  for (let place = 0; place < vectors; place += 1) insert.run(BigInt(place), new Uint8Array(vectorAt(place).buffer));
  database.exec("commit");
  const search = database.prepare("select rowid from vectors where vector match ? order by distance limit 10");
  return {
    nearest: (query) => search.all(new Uint8Array(query.buffer)).map((row) => Number(row["rowid"])),
    close: async () => database.close(),
  };
}
