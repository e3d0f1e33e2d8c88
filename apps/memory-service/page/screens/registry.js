/** @import { CheckedPrincipal } from "../../src/index.ts" */
/** @import { IconName } from "../parts/icon.js" */
import { asking } from "./ask/screen.js";
import { flowsScreen } from "./flows/screen.js";
import { memories } from "./memories/screen.js";
import { memory } from "./memory/screen.js";
import { queue } from "./queue/screen.js";

/**
 * A screen that is shown.
 *
 * @typedef {object} Stage
 * @property {HTMLElement} root - its own element; the screen fills it
 * @property {string | undefined} id
 * @property {URLSearchParams} query
 * @property {CheckedPrincipal} principal
 * @property {AbortSignal} signal - aborts when the screen is left
 */

/** @type {Readonly<Record<string, { title: string, show: (stage: Stage) => void }>>} */
export const SCREENS = {
  memories: { title: "Memories", show: memories },
  memory: { title: "Memory", show: memory },
  ask: { title: "Ask", show: asking },
  queue: { title: "Queue", show: queue },
  flows: { title: "Flows", show: flowsScreen },
};

/**
 * The screens of the rail, with the key that follows `g`.
 *
 * @type {readonly { screen: string, sign: IconName, key: string }[]}
 */
export const SECTIONS = [
  { screen: "memories", sign: "memories", key: "m" },
  { screen: "ask", sign: "ask", key: "a" },
  { screen: "queue", sign: "queue", key: "q" },
  { screen: "flows", sign: "flows", key: "f" },
];
