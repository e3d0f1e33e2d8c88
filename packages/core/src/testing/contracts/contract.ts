import { isSame, written } from "../kit/same-value.ts";

/** One rule that every adapter of a port obeys. A test of any test runner: `test(name, run)`. */
export interface ContractCase {
  readonly name: string;
  /** Rejects with the expected and the actual value when the adapter breaks the rule. */
  readonly run: () => Promise<void>;
}

const PATIENCE_MS = 5_000;

/** Throws unless `given` equals `wanted`. */
export function requireSame(what: string, given: unknown, wanted: unknown): void {
  if (!isSame(wanted, given)) throw new Error(`${what} must be ${written(wanted)}: got ${written(given)}`);
}

/** Returns the error with which `work` fails; throws when it does not fail. */
export async function failureOf(what: string, work: Promise<unknown>): Promise<unknown> {
  try {
    await inTime(what, work);
  } catch (error) {
    return error;
  }
  throw new Error(`${what} must fail: it did not`);
}

/** Waits for `work`, but fails after a time limit. */
export async function inTime<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until a condition holds; fails after a time limit. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
