/**
 * Converts the Markdown of one paragraph to plain text: removes link and image targets, emphasis, HTML tags and
 * comments. Keeps code spans and line breaks.
 */
export function stripMarkup(markdown: string): string {
  return markdown
    .split(CODE_SPAN)
    .map((part, index) => (index % 2 === 1 ? part : stripOutsideCode(part)))
    .join("");
}

const CODE_SPAN = /(`[^`]+`)/;

// Emphasis has a maximum length, and every other pattern stops at its own closing mark, so no text takes for ever.
function stripOutsideCode(text: string): string {
  return text
    .replaceAll(/<!--[\s\S]*?(?:-->|$)/g, lineBreaks)
    .replaceAll(/<(https?:\/\/[^\s<>]+)>/g, "$1")
    .replaceAll(/<\/?[a-z][a-z0-9]*(?:\s[^<>]*)?\/?>/gi, lineBreaks)
    .replaceAll(/!?\[([^\][]*)\](?:\([^()\s]*(?:\s+"[^"]*")?\)|\[[^\][]*\])/g, "$1")
    .replaceAll(/(\*\*|__)(?=\S)([\s\S]{0,300}?\S)\1/g, "$2")
    .replaceAll(/(?<![\p{L}\p{N}*])\*(?=\S)([^*]*?\S)\*(?![\p{L}\p{N}*])/gu, "$1")
    .replaceAll(/(?<![\p{L}\p{N}_])_(?=\S)([^_]*?\S)_(?![\p{L}\p{N}_])/gu, "$1")
    .replaceAll(/\\([!-/:-@[-`{-~])/g, "$1");
}

function lineBreaks(text: string): string {
  return text.replaceAll(/[^\n]/g, "");
}
