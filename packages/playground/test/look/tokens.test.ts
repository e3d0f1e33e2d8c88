import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { contrast, difference, type Rgb, rgbOf, seen, VISIONS } from "./colour.ts";

const css = readFileSync(path.join(import.meta.dirname, "../../src/look/tokens.css"), "utf8");
const THEMES = ["light", "dark"] as const;
type Theme = (typeof THEMES)[number];

/** Reads the colours of a theme, by name. */
function coloursOf(theme: Theme): ReadonlyMap<string, Rgb> {
  const pairs = css.matchAll(/--([\w-]+): light-dark\((#[\da-f]{6}), (#[\da-f]{6})\);/g);
  return new Map(
    Array.from(pairs, ([, name = "", light = "", dark = ""]) => [name, rgbOf(theme === "light" ? light : dark)]),
  );
}

const SURFACES = ["bg", "surface", "sunken"];
const STATES = ["running", "completed", "retry", "failed", "paused", "idle"];
const TEXTS = ["ink", "ink-2", "ink-3", "accent", ...STATES];

describe.for(THEMES)("the colours of the %s theme", (theme) => {
  const colours = coloursOf(theme);
  const colour = (name: string): Rgb => {
    const found = colours.get(name);
    if (found === undefined) throw new RangeError(`tokens.css has no colour --${name}`);
    return found;
  };

  test.for(TEXTS)("--%s reads on every surface: 4.5 to 1 at least", (text) => {
    for (const surface of SURFACES) {
      expect(contrast(colour(text), colour(surface)), `--${text} on --${surface}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test.for(STATES)("--%s reads on its own soft surface, and body text does, too", (state) => {
    expect(contrast(colour(state), colour(`${state}-soft`))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colour("ink"), colour(`${state}-soft`))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colour("ink-2"), colour(`${state}-soft`))).toBeGreaterThanOrEqual(4.5);
  });

  test("text reads on a button of the accent", () => {
    expect(contrast(colour("on-accent"), colour("accent"))).toBeGreaterThanOrEqual(4.5);
  });

  test.for(Object.keys(VISIONS))("any two states are 13 ΔE apart under %s vision", (vision) => {
    for (const [index, one] of STATES.entries()) {
      for (const other of STATES.slice(index + 1)) {
        const apart = difference(seen(colour(one), vision), seen(colour(other), vision));
        expect(apart, `--${one} and --${other}`).toBeGreaterThanOrEqual(13);
      }
    }
  });
});
