import { lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { isSafeAddress } from "../parts/safe-address.ts";

/** A node of a Markdown text, ready to be shown as an element. Raw HTML is a text among the others. */
export type Mark =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "break" | "rule" }
  | { readonly type: "block-code"; readonly text: string; readonly language: string }
  | { readonly type: "paragraph" | "strong" | "em" | "del" | "quote"; readonly inner: readonly Mark[] }
  | { readonly type: "heading"; readonly level: number; readonly inner: readonly Mark[] }
  | { readonly type: "link"; readonly href: string; readonly inner: readonly Mark[] }
  | { readonly type: "list"; readonly start: number | undefined; readonly items: readonly ListItem[] }
  | { readonly type: "table"; readonly head: readonly Cell[]; readonly rows: readonly (readonly Cell[])[] };

export interface ListItem {
  /** Whether the task is done; `undefined` for an item that is no task. */
  readonly isDone: boolean | undefined;
  readonly inner: readonly Mark[];
}

export interface Cell {
  readonly align: "left" | "right" | "center" | undefined;
  readonly inner: readonly Mark[];
}

/** Deepest nesting that is shown as such; deeper parts are shown as text. */
const DEEPEST = 40;

/** Reads a Markdown text. A text that the lexer cannot read becomes one paragraph. */
export function markTree(text: string): readonly Mark[] {
  try {
    return marksOf(lexer(text, { gfm: true }), 0);
  } catch {
    return [{ type: "paragraph", inner: [{ type: "text", text }] }];
  }
}

function marksOf(tokens: readonly Token[] | undefined, depth: number): Mark[] {
  return (tokens ?? []).flatMap((token) =>
    depth > DEEPEST ? [{ type: "text" as const, text: token.raw }] : markOf(token as MarkedToken, depth + 1),
  );
}

function markOf(token: MarkedToken, depth: number): Mark[] {
  const inner = (of: { readonly tokens?: readonly Token[] }): Mark[] => marksOf(of.tokens, depth);
  switch (token.type) {
    case "space":
    case "def":
    case "checkbox":
      return [];
    case "text":
      return token.tokens === undefined ? [{ type: "text", text: withoutEntities(token.text) }] : inner(token);
    case "escape":
      return [{ type: "text", text: token.text }];
    case "html":
      return [{ type: "text", text: token.raw }];
    case "br":
      return [{ type: "break" }];
    case "hr":
      return [{ type: "rule" }];
    case "code":
      return [{ type: "block-code", text: token.text, language: /^[\w+#.-]*/.exec(token.lang ?? "")?.[0] ?? "" }];
    case "codespan":
      return [{ type: "code", text: token.text }];
    case "strong":
    case "em":
    case "del":
    case "paragraph":
      return [{ type: token.type, inner: inner(token) }];
    case "blockquote":
      return [{ type: "quote", inner: inner(token) }];
    case "heading":
      return [{ type: "heading", level: token.depth, inner: inner(token) }];
    case "link":
      return linkTo(token.href, inner(token), token.raw);
    case "image":
      // never loaded: a picture tells its server that, and when, a person reads this
      return linkTo(token.href, [{ type: "text", text: token.text === "" ? "picture" : token.text }], token.raw);
    case "list":
      return [
        {
          type: "list",
          start: token.ordered ? (token.start === "" ? 1 : token.start) : undefined,
          items: token.items.map((item) => ({
            isDone: item.task ? item.checked === true : undefined,
            inner: inner(item),
          })),
        },
      ];
    case "list_item":
      return inner(token);
    case "table":
      return [{ type: "table", head: cells(token.header, depth), rows: token.rows.map((row) => cells(row, depth)) }];
    default:
      return [];
  }
}

function cells(row: readonly Tokens.TableCell[], depth: number): Cell[] {
  return row.map((cell) => ({ align: cell.align ?? undefined, inner: marksOf(cell.tokens, depth) }));
}

/** Makes a link of an address that a click may open safely; of another it shows the source. */
function linkTo(address: string, inner: readonly Mark[], raw: string): Mark[] {
  return isSafeAddress(address) ? [{ type: "link", href: address, inner }] : [{ type: "text", text: raw }];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00A0" };

function withoutEntities(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,6})|(\w{2,6}));/g,
    (whole, number: string | undefined, name: string | undefined) => {
      if (number !== undefined) return String.fromCodePoint(Math.min(Number(number), 0x10ffff));
      return ENTITIES[name ?? ""] ?? whole;
    },
  );
}
