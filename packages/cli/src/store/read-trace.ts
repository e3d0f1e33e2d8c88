import { readHistory, type StoredEvent } from "penguiflow";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { withStore } from "./open-store.ts";

/** The trace to read, and the part of it that is wanted. */
export interface TraceWish {
  readonly traceId: string;
  readonly tenant: string;
  /** Store as an option names it, see {@link withStore}. */
  readonly store: string | undefined;
  /** Number of last events that are wanted; `undefined` for all. */
  readonly tail: number | undefined;
}

/**
 * Calls `use` for each event of a stored trace, oldest first, and awaits each call.
 *
 * @returns the number of events that were used
 * @throws CliError `RUN_UNKNOWN` when the store has none; those of {@link withStore}
 */
export async function readTrace(
  io: Io,
  { traceId, tenant, store: named, tail }: TraceWish,
  use: (event: StoredEvent) => Promise<void>,
): Promise<number> {
  const last: StoredEvent[] = [];
  let used = 0;
  await withStore(io, named, async (store) => {
    for await (const event of readHistory(store, { tenant, traceId })) {
      if (tail === undefined) {
        await use(event);
        used += 1;
      } else if (last.push(event) > tail) last.shift();
    }
  });
  for (const event of last) await use(event);
  used += last.length;
  if (used > 0) return used;
  throw new CliError({
    code: "RUN_UNKNOWN",
    exit: Exit.UNKNOWN,
    message: `The store has no events of trace "${traceId}" of tenant "${tenant}"`,
    hint: "penguiflow runs list shows what there is",
  });
}
