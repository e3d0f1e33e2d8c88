import { h } from "./dom.js";
import { icon } from "./parts/icon.js";

const KEY = "memory.theme";
const THEMES = ["system", "light", "dark"];

const kept = () => sessionStorage.getItem(KEY) ?? "system";

/** Shows the theme of this tab. */
export function applyTheme() {
  const { dataset } = document.documentElement;
  if (kept() === "system") delete dataset["theme"];
  else dataset["theme"] = kept();
}

/** Makes the button that goes to the next theme. */
export function themeButton() {
  const word = h("span", {}, kept());
  const next = () => {
    const theme = THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length] ?? "system";
    sessionStorage.setItem(KEY, theme);
    word.textContent = theme;
    applyTheme();
  };
  return h(
    "button",
    { class: "rail-button", type: "button", onclick: next },
    icon("sun"),
    h("span", {}, "Theme: ", word),
  );
}
