// PenguiFlow outside production, where messages and working memories are frozen: see decision 7.
process.env["NODE_ENV"] = "development";

export const { linear, fanOut, loop, streams, validated } = await import("./penguiflow.ts");

const same = "is the same as in production";
export const cannot = { waiting: same, pending: same, package: same, types: same };
