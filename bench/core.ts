type Core = typeof import("../packages/core/src/index.ts");

// The runner says whether the package is built; its source is the same code with the types blanked out.
const entry = process.env["BENCH_PENGUIFLOW"] === "source" ? "src/index.ts" : "dist/index.js";

/** Where PenguiFlow begins. */
export const coreUrl = new URL(`../packages/core/${entry}`, import.meta.url);

/** PenguiFlow as its users have it. */
export const core: Core = await import(coreUrl.href);
