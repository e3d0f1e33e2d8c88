/** Function that a thread of `consumer.ts` runs. */
export function double(count: number): number {
  return count * 2;
}
