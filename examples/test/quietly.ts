import process from "node:process";
import { vi } from "vitest";

/** Runs an example's `main` without its output and returns its result. */
export async function quietly<Result>(main: () => Result | Promise<Result>): Promise<Result> {
  const spies = [
    vi.spyOn(console, "log").mockImplementation(() => {}),
    vi.spyOn(process.stdout, "write").mockImplementation(() => true),
  ];
  try {
    return await main();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
