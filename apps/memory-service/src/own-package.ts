import { createRequire } from "node:module";

// by its own name, since the bundle has other folders than the source
const manifest = createRequire(import.meta.url)("@penguiflow/memory-service/package.json") as { version: string };

/** Version of this package. */
export const VERSION: string = manifest.version;
