import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Creates a folder of one run. */
export function ownFolder(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-bench-memory-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
