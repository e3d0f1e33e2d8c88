import { me } from "../api.js";
import { h, put } from "../dom.js";
import { tell } from "../parts/problem.js";
import { begin, end } from "../session.js";
import { mark } from "./mark.js";

/**
 * Asks for the proof that the API wants: a key, and for one of a whole tenant the user.
 *
 * @param {HTMLElement} app
 * @param {() => void} onSignedIn
 * @param {string} [reason] - why a session ended
 */
export function showSignIn(app, onSignedIn, reason) {
  end();
  document.title = "Sign in · Memory";
  const failure = h("div", {});
  const key = h("input", {
    class: "field mono",
    id: "key",
    type: "password",
    autocomplete: "off",
    required: true,
    spellcheck: "false",
  });
  const user = h("input", {
    class: "field",
    id: "user",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "user-note",
  });
  /** @param {Event} event */
  const signIn = (event) => {
    event.preventDefault();
    const given = { key: key.value.trim(), ...(user.value.trim() !== "" && { user: user.value.trim() }) };
    void tell(failure, async () => {
      await me(given);
      begin(given);
      onSignedIn();
    });
  };
  put(
    app,
    h(
      "main",
      { class: "sign-in" },
      h(
        "form",
        { class: "card sign-in-card", onsubmit: signIn },
        h("div", { class: "sign-in-head" }, mark(), h("h1", {}, "Sign in to your memory")),
        reason !== undefined && h("p", { class: "sign-in-reason", role: "status" }, reason),
        h("label", { class: "label", for: "key" }, "Key, or the token that the server printed"),
        key,
        h("label", { class: "label", for: "user" }, "User"),
        user,
        h("p", { class: "hint", id: "user-note" }, "For a key of a whole tenant only: the user it acts for."),
        failure,
        h("button", { class: "button primary", type: "submit" }, "Sign in"),
        h(
          "p",
          { class: "hint" },
          "The key stays in this tab (sessionStorage), is sent to this server alone, and is gone when you close the tab. The page keeps nothing else.",
        ),
      ),
    ),
  );
  key.focus();
}
