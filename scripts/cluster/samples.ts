/** Sizes at one moment of a soak, in bytes; `items` are messages or rows of the broker. */
export interface Sample {
  readonly worker: number;
  readonly client: number;
  readonly stored?: number;
  readonly items?: number;
  readonly resident?: number;
}

const MEGABYTE = 2 ** 20;
/** Growth that is no leak: buffers and tables of the JIT compiler and the allocator take turns. */
const ALLOWED = { share: 1.15, more: 6 * MEGABYTE };
/** Fewer samples show nothing. */
const LEAST_SAMPLES = 9;

const KINDS = {
  worker: "memory of the worker",
  client: "memory of the client",
  stored: "what the broker stores",
  resident: "memory of the broker",
} as const;

/** Writes a sample for people. */
export function shown({ worker, client, stored, items, resident }: Sample): string {
  const size = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
  return [
    `worker ${size(worker)}`,
    `client ${size(client)}`,
    ...(stored === undefined ? [] : [`broker ${size(stored)} in ${items} items`]),
    ...(resident === undefined ? [] : [`its memory ${size(resident)}`]),
  ].join(", ");
}

/** Compares the last third of a soak with the second, and says what has grown. The first one warms up. */
export function grown(samples: readonly Sample[]): readonly string[] {
  const third = Math.floor(samples.length / 3);
  if (samples.length < LEAST_SAMPLES) {
    process.stdout.write(`Memory is not judged below ${LEAST_SAMPLES} minutes\n`);
    return [];
  }
  return Object.entries(KINDS).flatMap(([kind, name]) => {
    const sizes = samples.flatMap((sample) => sample[kind as keyof typeof KINDS] ?? []);
    if (sizes.length === 0) return [];
    const [before, after] = [median(sizes.slice(third, 2 * third)), median(sizes.slice(2 * third))];
    const text = `${name}: ${(before / MEGABYTE).toFixed(1)} MB in the second third, ${(after / MEGABYTE).toFixed(1)} MB in the last`;
    process.stdout.write(`${text}\n`);
    return after > before * ALLOWED.share && after > before + ALLOWED.more ? [`Grown: ${text}`] : [];
  });
}

const median = (sizes: readonly number[]): number => sizes.toSorted((a, b) => a - b)[sizes.length >> 1]!;
