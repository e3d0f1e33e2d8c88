const HEAD_BYTES = 20;
const OID_OF_TEXT = 25;

/**
 * Encodes texts as a binary `text[]`, which the driver sends unchanged. The textual form escapes every quote, which is
 * half the cost of a batch of JSON texts. The texts must be encoded by `toText`.
 */
export function textArray(texts: readonly string[]): Buffer {
  const size = texts.reduce((sum, text) => sum + 4 + Buffer.byteLength(text), HEAD_BYTES);
  const bytes = Buffer.allocUnsafe(size);
  // dimensions, whether an element is null, type, elements of the dimension, number of the first
  for (const [index, field] of [1, 0, OID_OF_TEXT, texts.length, 1].entries()) bytes.writeInt32BE(field, index * 4);
  let at = HEAD_BYTES;
  for (const text of texts) {
    const length = bytes.write(text, at + 4);
    bytes.writeInt32BE(length, at);
    at += 4 + length;
  }
  return bytes;
}
