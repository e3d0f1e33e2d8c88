import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { type Memory, type MemoryOptions, openMemory } from "@penguiflow/memory-service";

/** Creates a folder that is removed at the end of the test. */
export function ownFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a memory that is closed at the end of the test; in process memory unless options say otherwise. */
export async function ownMemory(options: MemoryOptions = {}): Promise<Memory> {
  const memory = await openMemory(options);
  onTestFinished(async () => await memory.close());
  return memory;
}

/** Returns the bytes of all files of a folder, by name. */
export function bytesOf(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [path.relative(folder, file), readFileSync(file)]),
  );
}

/** Returns the code of the error with which work fails. */
export async function codeOf(work: Promise<unknown>): Promise<unknown> {
  const error: unknown = await work.then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  return error instanceof Error && "code" in error ? error.code : error;
}
