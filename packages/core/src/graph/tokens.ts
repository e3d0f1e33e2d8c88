/** The stand-in for a string, a template's text, a regular expression and a number. */
const LITERAL = "“”";

const TOKEN =
  /\s+|\/\/.*|\/\*[^]*?\*\/|(?<word>[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*)|(?<literal>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|\.?\d[\w.]*)|(?<mark>=>|\.\.\.|\?\.|[^])/uy;

const REGEXP = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

const TEMPLATE_TEXT = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;

/** Words after which a slash begins a regular expression. */
const BEFORE_VALUE = new Set(["return", "typeof", "case", "in", "of", "void", "delete", "await", "yield", "throw"]);

/**
 * Splits JavaScript into words, punctuation and {@link LITERAL}s, without white space and comments. The code in a
 * template's `${…}` appears between braces. It knows no grammar: a slash after `)` is always a division.
 */
export function tokensOf(source: string): string[] {
  const tokens: string[] = [];
  /** Whether each open brace belongs to a template's `${`. */
  const braces: boolean[] = [];
  let at = 0;
  const skip = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0] ?? "";
    at += found.length;
    return found;
  };
  const templateText = (): void => {
    skip(TEMPLATE_TEXT);
    tokens.push(LITERAL);
    if (source[at] === "`") at += 1;
    else if (source.startsWith("${", at)) {
      at += 2;
      braces.push(true);
      tokens.push("{");
    } else at = source.length;
  };

  while (at < source.length) {
    if (source[at] === "/" && !/^\/[/*]/.test(source.slice(at, at + 2)) && mayBeginValue(tokens.at(-1))) {
      if (skip(REGEXP) !== "") {
        tokens.push(LITERAL);
        continue;
      }
    }
    TOKEN.lastIndex = at;
    const { 0: text, groups } = TOKEN.exec(source) as RegExpExecArray;
    at += text.length;
    if (groups?.["word"] !== undefined) tokens.push(text);
    else if (groups?.["literal"] !== undefined) tokens.push(LITERAL);
    else if (text === "`") templateText();
    else if (groups?.["mark"] !== undefined) {
      tokens.push(text);
      if (text === "{") braces.push(false);
      if (text === "}" && braces.pop() === true) templateText();
    }
  }
  return tokens;
}

function mayBeginValue(last: string | undefined): boolean {
  if (last === undefined || BEFORE_VALUE.has(last)) return true;
  return last !== LITERAL && last !== ")" && last !== "]" && last !== "}" && !/^[\p{ID_Start}$_#]/u.test(last);
}

/** Returns for each bracket the index of its partner; unmatched brackets are left out. */
export function partnersOf(tokens: readonly string[]): Map<number, number> {
  const partners = new Map<number, number>();
  const open: number[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token === "(" || token === "[" || token === "{") open.push(index);
    if (token !== ")" && token !== "]" && token !== "}") continue;
    const partner = open.pop();
    if (partner === undefined) continue;
    partners.set(partner, index).set(index, partner);
  }
  return partners;
}
