/** Rows above and below those in sight, so that a quick scroll finds them drawn. */
const SPARE = 8;

/** Returns the range of rows that is drawn, the end excluded. */
export function rowsInSight(
  count: number,
  rowHeight: number,
  scrollTop: number,
  height: number,
): { readonly from: number; readonly to: number } {
  const first = Math.floor(Math.max(0, scrollTop) / rowHeight);
  const visible = Math.ceil(height / rowHeight) + 1;
  const from = Math.max(0, Math.min(first, count - visible) - SPARE);
  return { from, to: Math.min(count, first + visible + SPARE) };
}
