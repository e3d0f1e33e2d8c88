/** Hashes the characters of a text to a signed 32-bit number (FNV-1a: Fowler, Noll, Vo). */
export function fnv1a(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  return state | 0;
}
