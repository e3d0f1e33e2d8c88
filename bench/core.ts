type Core = typeof import("../packages/core/src/index.ts");

// the runner sets whether the package is built; its source is the same code with the types blanked out
const entry = process.env["BENCH_PENGUIFLOW"] === "source" ? "src/index.ts" : "dist/index.js";

/** URL of PenguiFlow's entry point. */
export const coreUrl = new URL(`../packages/core/${entry}`, import.meta.url);

/** PenguiFlow as users import it. */
export const core: Core = await import(coreUrl.href);
