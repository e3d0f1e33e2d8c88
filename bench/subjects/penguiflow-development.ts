// PenguiFlow as in development and tests: messages and working memories are frozen. See fresh-process.ts.
export { fanOut, linear, loop, pending, streams, validated, waiting } from "./penguiflow.ts";

export const cannot = { package: "is the same package" };
