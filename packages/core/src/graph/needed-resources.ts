import { signatureOf } from "./signature.ts";
import { partnersOf, tokensOf } from "./tokens.ts";

/**
 * Returns the names that a handler's text reads from `ctx.resources` unconditionally. It sees no further than the
 * function itself; when in doubt, it returns none.
 */
export function neededResources(handler: (...args: never[]) => unknown): string[] {
  const source = Function.prototype.toString.call(handler);
  if (!source.includes("resources") || source.includes("[native code]")) return [];
  const tokens = tokensOf(source);
  const partners = partnersOf(tokens);
  const signature = signatureOf(tokens, partners);
  if (signature === undefined) return [];
  const { context, bodyAt } = signature;
  const names = new Set<string>();
  // `(payload, { resources })`, `(payload, { resources: { index } })`
  const isTakenApart = context[0] === "{";
  if (isTakenApart) {
    const at = context.indexOf("resources");
    if (at === -1 || context[at + 1] === "=") return [];
    if (context[at + 1] === ":")
      return context[at + 2] === "{" ? keysOf(context.slice(at + 3, context.indexOf("}", at))) : [];
  } else if (context.length !== 1) return [];
  for (let at = bodyAt; at < tokens.length; at += 1) {
    if (tokens[at] !== "resources") continue;
    const isRead = isTakenApart ? tokens[at - 1] !== "." : tokens[at - 1] === "." && tokens[at - 2] === context[0];
    if (!isRead || (!isTakenApart && tokens[at - 3] === ".")) continue;
    const before = at - (isTakenApart ? 1 : 3);
    if (tokens[at + 1] === ".") names.add(tokens[at + 2] as string);
    else if (tokens[before] === "=" && tokens[before - 1] === "}" && !DEFAULTED.has(tokens[at + 1] ?? "")) {
      const open = openOf(partners, before - 1);
      for (const key of open === undefined ? [] : keysOf(tokens.slice(open + 1, before - 1))) names.add(key);
    } else return []; // passed on, or checked for presence
  }
  return [...names];
}

/** Tokens that supply another value where there are no resources. */
const DEFAULTED = new Set(["?", "?.", "|", "&"]);

function openOf(partners: ReadonlyMap<number, number>, close: number): number | undefined {
  for (const [open, partner] of partners) if (partner === close && open < close) return open;
  return undefined;
}

/** Returns the keys of a pattern, given the tokens between its braces. */
function keysOf(pattern: readonly string[]): string[] {
  return pattern.filter((token, at) => /^[\p{ID_Start}$_]/u.test(token) && (at === 0 || pattern[at - 1] === ","));
}
