import { h } from "../dom.js";
import { dayWord, fullTime, timeWord } from "../words.js";

/**
 * An instant: the words, and to the second when it is pointed at.
 *
 * @param {number} at
 * @param {"time" | "day and time"} [form]
 */
export function when(at, form = "day and time") {
  const words = form === "time" ? timeWord(at) : `${dayWord(at)}, ${timeWord(at)}`;
  return h("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, words);
}
