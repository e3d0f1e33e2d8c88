import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// by its own name, since the bundle has other folders than the source
const MANIFEST = createRequire(import.meta.url).resolve("@penguiflow/memory-service/package.json");

/** Version of this package. */
export const VERSION: string = (JSON.parse(readFileSync(MANIFEST, "utf8")) as { version: string }).version;

/** The small hand-made conversations on which `memory-service eval` measures by default; in the published package, too. */
export const CONVERSATIONS_FILE: string = path.join(path.dirname(MANIFEST), "src/evaluation/conversations.jsonl");
