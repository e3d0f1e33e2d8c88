/** Control characters but tab and newline. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** Returns text in Unicode's composed form, with line ends as newlines. */
export function normalizeText(text: string): string {
  return text.replaceAll("\r\n", "\n").normalize("NFC");
}

/** Returns the reason for which text is refused; `undefined` when it is acceptable. */
export function textFault(text: string, maxBytes: number): string | undefined {
  if (!text.isWellFormed()) return "has half of a surrogate pair";
  const normal = normalizeText(text);
  if (CONTROL.test(normal)) return "has a control character other than tab and newline";
  if (normal.trim() === "") return "is empty";
  const bytes = Buffer.byteLength(normal);
  return bytes > maxBytes ? `is too long: at most ${maxBytes} bytes, got ${bytes}` : undefined;
}
