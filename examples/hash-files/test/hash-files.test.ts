import { scrypt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { quietly } from "../../test/quietly.ts";
import { runExample } from "../../test/run-example.ts";
import type { Pulse } from "../heartbeat.ts";
import { main } from "../main.ts";

const derive = promisify<Buffer, string, number, { N: number; maxmem: number }, Buffer>(scrypt);
const kept = ({ beats, beatsWanted }: Pulse): number => beats / beatsWanted;

describe("hash-files", { timeout: 60_000 }, () => {
  test("the heart keeps beating while threads hash, and stands still while this one does", async () => {
    const { alone, threaded, pool } = await quietly(main);
    expect(threaded.lines).toEqual(alone.lines);
    expect(threaded.lines.length).toBeGreaterThan(5);

    // generous, because other tests use the machine at the same time
    expect(kept(alone.pulse)).toBeLessThan(0.2);
    expect(kept(threaded.pulse)).toBeGreaterThan(2 * kept(alone.pulse));
    expect(threaded.pulse.medianLateMs).toBeLessThan(50);
    expect(threaded.pulse.medianLateMs).toBeLessThan(alone.pulse.medianLateMs / 2);

    const name = "1-first-flow.md";
    const bytes = await readFile(new URL(`../../../docs/learn/${name}`, import.meta.url));
    const key = await derive(bytes, name, 32, { N: 2 ** 15, maxmem: 2 ** 26 });
    expect(threaded.lines.find((line) => line.endsWith(name))).toContain(`  ${key.toString("hex").slice(0, 16)}  `);

    expect(pool.stats()).toEqual({ threads: 0, idle: 0, waiting: 0, started: 2, crashed: 0 });
  });

  test("as a command prints both hearts and a line for each file, and ends", async () => {
    const { status, stdout, stderr } = await runExample("hash-files", "docs/learn");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^in this thread: .* beats, late by .*\nin 2 threads: .* beats, late by .*\n/);
    expect(stdout).toMatch(/^[0-9a-f]{16} {2}[0-9a-f]{16} {2}1-first-flow\.md$/m);
  });
});
