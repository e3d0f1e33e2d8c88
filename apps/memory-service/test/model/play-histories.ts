import * as fc from "fast-check";
import { systemClock } from "penguiflow";
import { type Memory, type MemoryOptions, openMemory } from "@penguiflow/memory-service";
import type { Door } from "./door.ts";
import { History } from "./history.ts";
import { HttpDoor } from "./http-door.ts";
import { LibraryDoor } from "./library-door.ts";
import { mcpDoor } from "./mcp-door.ts";
import { plan } from "./plan.ts";

/** The ways to the service. */
export const DOORS: Readonly<Record<string, (memory: Memory) => Door | Promise<Door>>> = {
  library: (memory) => new LibraryDoor(memory),
  HTTP: async (memory) => await HttpDoor.open(memory),
  MCP: mcpDoor,
};

// thousands of histories: MEMORY_HISTORIES=2000; a failure names its seed
const { MEMORY_HISTORIES, MEMORY_SEED } = process.env;

/** Options of {@link playHistories}. */
export interface PlayOptions extends Pick<MemoryOptions, "store" | "directory" | "embedder" | "limits"> {
  /** Histories to play, unless the environment says how many (MEMORY_HISTORIES). */
  readonly histories: number;
}

/**
 * Plays random histories on one service, each with tenants of its own.
 *
 * @throws Error with the shortest history found that no order of its requests explains
 */
export async function playHistories(name: string, { histories, ...options }: PlayOptions): Promise<void> {
  const moved = { now: 1_800_000_000_000 };
  const clock = { ...systemClock, epochNow: () => moved.now };
  await using memory = await openMemory({ ...options, clock });
  await using door = await DOORS[name]!(memory);
  let number = 0;
  const property = fc.asyncProperty(plan, async (batches) => {
    const findsMore = options.embedder !== undefined;
    const history = new History(door, { number: number++, clock: moved, findsMore });
    for (const batch of batches) {
      await history.play(batch).catch((error: unknown) => {
        // a machine too slow for the service's own deadlines says nothing about its laws: this history is left out
        fc.pre(!String(error).includes("DEADLINE"));
        throw error;
      });
      if (findsMore) await memory.drained();
    }
  });
  // a run of every day is the same each time; a long one is not
  const seed = MEMORY_SEED ?? (MEMORY_HISTORIES === undefined ? 1 : undefined);
  const given = seed === undefined ? {} : { seed: Number(seed) };
  await fc.assert(property, { numRuns: Number(MEMORY_HISTORIES ?? histories), ...given });
}
