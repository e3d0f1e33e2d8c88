import { scrypt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { main } from "../hash-files/main.ts";
import { quietly } from "./quietly.ts";

test(
  "the heart keeps beating while threads hash, and stands still while this one does",
  { timeout: 60_000 },
  async () => {
    const { alone, threaded, pool } = await quietly(main);
    expect(threaded.lines).toEqual(alone.lines);
    expect(threaded.lines.length).toBeGreaterThan(5);

    // Generous: other tests want the machine too.
    const kept = ({ beats, beatsWanted }: typeof alone.pulse) => beats / beatsWanted;
    expect(kept(alone.pulse)).toBeLessThan(0.2);
    expect(kept(threaded.pulse)).toBeGreaterThan(2 * kept(alone.pulse));
    expect(threaded.pulse.medianLateMs).toBeLessThan(30);
    expect(alone.pulse.worstLateMs).toBeGreaterThan(threaded.pulse.medianLateMs);

    const name = "1-first-flow.md";
    const bytes = await readFile(new URL(`../../docs/learn/${name}`, import.meta.url));
    const derive = promisify<Buffer, string, number, { N: number; maxmem: number }, Buffer>(scrypt);
    const key = await derive(bytes, name, 32, { N: 2 ** 15, maxmem: 2 ** 26 });
    expect(threaded.lines.find((line) => line.endsWith(name))).toContain(`  ${key.toString("hex").slice(0, 16)}  `);

    expect(pool.stats()).toEqual({ threads: 0, idle: 0, waiting: 0, started: 2, crashed: 0 });
  },
);
