/** @import { ErasurePreview } from "../../../src/index.ts" */
import { erase, erasure } from "../../api.js";
import { h, put } from "../../dom.js";
import { openDialog } from "../../parts/dialog.js";
import { icon } from "../../parts/icon.js";
import { tell } from "../../parts/problem.js";
import { addressOf } from "../../router.js";
import { counted } from "../../words.js";

/**
 * Shows what goes with a memory, and forgets it when told to.
 *
 * @param {string} id
 */
export function askToForget(id) {
  openDialog("Forget this memory?", (close) => {
    const failure = h("div", {});
    const preview = h("div", { class: "preview", "aria-busy": "true" });
    const forget = h(
      "button",
      { class: "button danger-solid", type: "button", disabled: true },
      icon("trash"),
      "Forget for good",
    );
    forget.addEventListener("click", () => {
      forget.disabled = true;
      void tell(failure, async () => {
        await erase(id);
        close();
        location.hash = addressOf("memories");
      }).finally(() => (forget.disabled = false));
    });
    void tell(failure, async () => {
      put(preview, ...wordsOf(await erasure(id)));
      forget.disabled = false;
    }).finally(() => preview.removeAttribute("aria-busy"));
    return [
      preview,
      failure,
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { class: "button", type: "button", autofocus: true, onclick: close }, "Keep it"),
        forget,
      ),
    ];
  });
}

/** @param {ErasurePreview} preview */
function wordsOf({ characters, vectors, jobs, events, grants, neighbours, reappearing }) {
  const going = [
    `Its text: ${counted(characters, "character")}`,
    vectors > 0 && `${counted(vectors, "vector")} made of it`,
    jobs > 0 && `${counted(jobs, "job")} that would make one`,
    `Its history: ${counted(events, "entry", "entries")}`,
    grants > 0 && `The sight of ${counted(grants, "user")} it is shared with`,
  ];
  const changing = [
    neighbours.length > 0 &&
      `${counted(neighbours.length, "neighbour")} in the conversation: no longer found by words of this one`,
    reappearing.length > 0 &&
      `${counted(reappearing.length, "older memory", "older memories")} that this one hides: found again`,
  ].filter((words) => words !== false);
  return [
    h("h3", { class: "label" }, "Goes, from every file of the service"),
    h(
      "ul",
      { class: "going" },
      going.filter((words) => words !== false).map((words) => h("li", {}, icon("close", 14), words)),
    ),
    changing.length > 0 && h("h3", { class: "label" }, "Changes"),
    changing.length > 0 &&
      h(
        "ul",
        { class: "changing" },
        changing.map((words) => h("li", {}, icon("again", 14), words)),
      ),
    h("h3", { class: "label" }, "Stays"),
    h(
      "ul",
      { class: "staying" },
      h("li", {}, icon("clock", 14), "A line in the log: something of yours was erased, now, by you"),
    ),
  ];
}
