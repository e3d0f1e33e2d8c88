// Control characters except tab and line breaks, and the marks that change the direction of text.
// oxlint-disable-next-line no-control-regex -- the pattern looks for control characters
const UNPRINTABLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g;

/** Removes characters that could control a terminal: documents and file names are untrusted input. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\uFFFD");
}
