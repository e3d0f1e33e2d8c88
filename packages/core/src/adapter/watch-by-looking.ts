import type { RegistryEntry } from "../ports/registry.ts";

/** Sources of the changes that {@link watchByLooking} tells. */
export interface WatchSource {
  /** Returns the present values by key. While it rejects, what was told stays. */
  look(): Promise<ReadonlyMap<string, RegistryEntry>>;
  /** Calls `changed` when there may be a change: with the key and its new value, or without, when that is not known. */
  subscribe(changed: (key?: string, value?: string) => void): Disposable;
  /** Returns the latest value of a key that a look has not found. @defaultValue looks are never behind */
  confirm?(key: string): Promise<RegistryEntry | undefined>;
}

/** Last change of a key that was told, or its removal. */
interface Told {
  readonly value: string | undefined;
  readonly revision: number;
}

/** Milliseconds after which values are looked at without a notification: they may have expired. */
const POLL_MS = 500;

/**
 * Watches the values of a registry by looking at all of them: at once, after each notification, and twice a second. Tells
 * each change once, and none that is older than what was told. Resolves when the present values are told; goes on until
 * `signal` aborts.
 *
 * @throws what the first look throws: the watch is over then
 */
export async function watchByLooking(
  source: WatchSource,
  onChange: (key: string, value: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const told = new Map<string, Told>();
  const tell = (key: string, { value, revision }: Told): void => {
    const before = told.get(key);
    // a look that is behind may still have a value that was removed
    const isOld =
      before !== undefined && (revision < before.revision || (revision === before.revision && value !== undefined));
    if (signal.aborted || isOld) return;
    told.set(key, { value, revision });
    if (before?.value !== value) onChange(key, value);
  };
  const look = async (): Promise<void> => {
    const found = await source.look();
    for (const [key, entry] of found) tell(key, entry);
    for (const [key, { value, revision }] of told) {
      if (found.has(key)) continue;
      const entry = value === undefined ? undefined : await source.confirm?.(key);
      if (entry !== undefined) tell(key, entry);
      else if (value === undefined) told.delete(key);
      else tell(key, { value: undefined, revision });
    }
  };
  // looks follow one another; changes that come during one are seen by the next
  let looking: Promise<void> | undefined;
  let isDue = false;
  const lookSoon = (): void => {
    isDue = true;
    looking ??= (async () => {
      while (isDue && !signal.aborted) {
        isDue = false;
        await look().catch(() => {});
      }
    })().finally(() => {
      looking = undefined;
    });
  };
  await look();
  if (signal.aborted) return;
  const listening = source.subscribe((key, value) => {
    if (key === undefined || told.get(key)?.value !== value) lookSoon();
  });
  const polling: unknown = setInterval(lookSoon, POLL_MS);
  (polling as { unref?: () => void }).unref?.();
  signal.addEventListener(
    "abort",
    () => {
      clearInterval(polling as number);
      listening[Symbol.dispose]();
    },
    { once: true },
  );
  // a change between the look and the subscription
  lookSoon();
}
