// Control characters but tab and line breaks, and the marks that turn the direction of text around.
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const UNPRINTABLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g;

/** The text without what could steer a terminal: documents and file names come from anywhere. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\uFFFD");
}
