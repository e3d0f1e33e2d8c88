import { expect, test } from "vitest";
import { files, read } from "../../../../scripts/workspace.ts";
import { partnersOf, tokensOf } from "../../src/graph/tokens.ts";

test("the text of code is told from code: in every source file of the core each bracket has its partner", () => {
  const sources = files("packages/core/src/**/*.ts");
  expect(sources.length).toBeGreaterThan(100);
  for (const file of sources) {
    const tokens = tokensOf(read(file));
    const partners = partnersOf(tokens);
    const pairs = tokens.flatMap((token, at) =>
      /^[([{]$/.test(token) ? [token + tokens[partners.get(at) ?? -1]] : [],
    );
    expect([...new Set(pairs)].sort().join(" "), file).toMatch(/^(\(\))? ?(\[\])? ?(\{\})?$/);
  }
});
