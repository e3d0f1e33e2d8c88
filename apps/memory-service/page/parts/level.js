/** @import { Level } from "../../src/index.ts" */
import { h } from "../dom.js";
import { icon } from "./icon.js";

/** @type {Readonly<Record<Level, { word: string, who: string, tone: string }>>} */
export const LEVELS = {
  private: { word: "Private", who: "You alone", tone: "idle" },
  tenant: { word: "Tenant", who: "Everyone in the tenant", tone: "running" },
  shared: { word: "Shared", who: "You, and those you name", tone: "paused" },
};

/**
 * A badge that says who may see a fragment.
 *
 * @param {Level} level
 */
export function levelBadge(level) {
  const { word, tone } = LEVELS[level];
  return h("span", { class: `badge tone-${tone}` }, icon(level, 13), word);
}
