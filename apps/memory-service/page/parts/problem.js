import { ApiError } from "../api.js";
import { h, put } from "../dom.js";
import { icon } from "./icon.js";

/**
 * Shows an error as the API words it, with its code.
 *
 * @param {unknown} error
 */
export function problem(error) {
  const isOfApi = error instanceof ApiError;
  const words = error instanceof Error ? error.message : String(error);
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("warn"),
    h(
      "div",
      {},
      h("p", {}, words),
      isOfApi &&
        h("p", { class: "problem-code" }, isOfApi && error.status > 0 ? `${error.status} ${error.code}` : error.code),
    ),
  );
}

/**
 * Runs work of a click and shows its failure at a place, which is emptied first.
 *
 * @param {Element} at
 * @param {() => Promise<void>} work
 */
export async function tell(at, work) {
  put(at);
  try {
    await work();
  } catch (error) {
    if (isAborted(error)) return;
    put(at, problem(error));
  }
}

/**
 * Whether work ended because its screen was left.
 *
 * @param {unknown} error
 */
export function isAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
