/** @import { CheckedPrincipal } from "../../src/index.ts" */
import { h, put } from "../dom.js";
import { icon } from "../parts/icon.js";
import { empty } from "../parts/empty.js";
import { addressOf, place } from "../router.js";
import { SCREENS, SECTIONS } from "../screens/registry.js";
import { end } from "../session.js";
import { themeButton } from "../theme.js";
import { listenToKeys, showKeys } from "./keys.js";
import { mark } from "./mark.js";

/**
 * Shows the rail and, beside it, the screen of the address.
 *
 * @param {HTMLElement} app
 * @param {CheckedPrincipal} principal
 * @param {() => void} onSignedOut
 */
export function showShell(app, principal, onSignedOut) {
  const left = new AbortController();
  /** @type {AbortController | undefined} */
  let onScreen;
  const main = h("main", { class: "main", id: "main", tabindex: "-1" });
  const links = SECTIONS.map(({ screen, sign }) =>
    h("a", { class: "rail-link", href: addressOf(screen) }, icon(sign), h("span", {}, SCREENS[screen]?.title)),
  );
  const signOut = () => {
    left.abort();
    end();
    onSignedOut();
  };
  const go = () => {
    if (!app.contains(main)) left.abort();
    onScreen?.abort();
    if (left.signal.aborted) return;
    onScreen = new AbortController();
    const { screen, id, query } = place();
    const section = screen === "memory" ? "memories" : screen;
    for (const link of links) {
      if (link.getAttribute("href") === addressOf(section)) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const found = SCREENS[screen];
    document.title = `${found?.title ?? "Not found"} · Memory`;
    const root = h("div", { class: `screen screen-${found === undefined ? "none" : screen}` });
    put(main, root);
    if (found === undefined) {
      put(
        root,
        h("header", { class: "head" }, h("h1", {}, "Not found")),
        empty("warn", "There is no such screen", "Choose one on the left."),
      );
    } else found.show({ root, id, query, principal, signal: onScreen.signal });
  };
  put(
    app,
    h("a", { class: "skip", href: "#main", onclick: skipTo(main) }, "Skip to the screen"),
    h(
      "div",
      { class: "app" },
      h(
        "header",
        { class: "rail" },
        h("a", { class: "rail-mark", href: addressOf("memories") }, mark(), h("span", {}, "Memory")),
        h("nav", { class: "rail-list", "aria-label": "Screens" }, links),
        h(
          "div",
          { class: "rail-foot" },
          h(
            "p",
            { class: "rail-who" },
            h("strong", {}, principal.user),
            h("span", {}, `${principal.tenant} · ${principal.scopes.join(", ")}`),
          ),
          h(
            "button",
            { class: "rail-button rail-keys", type: "button", onclick: () => showKeys() },
            h("kbd", { class: "key" }, "?"),
            "Keys",
          ),
          themeButton(),
          h(
            "button",
            { class: "rail-button", type: "button", onclick: signOut },
            icon("out"),
            h("span", {}, "Sign out"),
          ),
        ),
      ),
      main,
    ),
  );
  addEventListener(
    "hashchange",
    () => {
      go();
      // a screen reader goes on at the new screen, and Tab with its first control
      main.focus();
    },
    { signal: left.signal },
  );
  listenToKeys(left.signal);
  go();
}

/** @param {HTMLElement} main */
function skipTo(main) {
  return (/** @type {Event} */ event) => {
    event.preventDefault();
    main.focus();
  };
}
