/** Returns the tokens of the second parameter, if there is one, and the index at which the body begins. */
export function signatureOf(
  tokens: readonly string[],
  partners: ReadonlyMap<number, number>,
): { context: string[]; bodyAt: number } | undefined {
  // a method with a computed name
  if (tokens[0] === "[" || tokens[1] === "[") return undefined;
  const arrow = tokens.indexOf("=>");
  const open = tokens.indexOf("(");
  // `message => …`
  if (arrow !== -1 && (open === -1 || arrow < open)) return { context: [], bodyAt: arrow + 1 };
  const close = partners.get(open);
  if (close === undefined) return undefined;
  const parameters: string[][] = [[]];
  for (let at = open + 1; at < close; at += 1) {
    const partner = partners.get(at);
    if (tokens[at] === ",") parameters.push([]);
    else if (partner === undefined) parameters.at(-1)?.push(tokens[at] as string);
    else {
      parameters.at(-1)?.push(...tokens.slice(at, partner + 1));
      at = partner;
    }
  }
  if (parameters.some(([first]) => first === "...")) return undefined;
  return { context: parameters[1] ?? [], bodyAt: tokens[close + 1] === "=>" ? close + 2 : close + 1 };
}
