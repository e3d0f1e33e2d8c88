import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { rowsOf } from "../../../../scripts/markdown.ts";
import { type Requirement, REQUIREMENTS } from "./requirements.ts";

const folder = new URL("./", import.meta.url);
const requirements: readonly (readonly [id: string, requirement: Requirement])[] = Object.entries(REQUIREMENTS);

const tested = new Set(
  readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .flatMap((name) => Array.from(readFileSync(new URL(name, folder), "utf8").matchAll(/^rule\(\s*"([^"]+)"/gm)))
    .map(([, id]) => id ?? ""),
);

describe("the table of requirements", () => {
  test("whatever applies has a test, and what cannot has a reason instead", () => {
    const wrong = requirements.filter(([id, { notShown }]) => tested.has(id) === (notShown !== undefined));
    expect(wrong.map(([id]) => id)).toEqual([]);
  });

  test("has the 105 mandatory requirements of the kit that are not gRPC's", () => {
    expect(requirements.filter(([, { level }]) => level === undefined).length).toBe(105);
  });

  test("stands in the documents", () => {
    const page = "docs/reference/a2a-conformance.md";
    const over = ({ at }: Requirement, binding: string): string =>
      at === binding || at === "both" || at === "agent" ? "yes" : "";
    const shown = requirements.filter(([, { notShown }]) => notShown === undefined);
    expect(rowsOf(page, "What is shown")).toEqual(
      shown.map(([id, requirement]) => {
        const { section, level = "must", rule } = requirement;
        return [`\`${id}\``, section, level, rule, over(requirement, "JSON-RPC"), over(requirement, "HTTP+JSON")];
      }),
    );
    const reasons = requirements.flatMap(([id, { rule, notShown }]) =>
      notShown === undefined ? [] : [[`\`${id}\``, rule, notShown]],
    );
    expect(rowsOf(page, "What cannot be shown")).toEqual(reasons);
  });
});
