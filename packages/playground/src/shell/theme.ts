import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "penguiflow.theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

/** The chosen theme; kept in this browser. */
export const theme = signal<Theme>(THEMES.find((name) => name === localStorage.getItem(KEY)) ?? "system");

/** Chooses the next theme: system, light, dark. */
export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
}

/** Shows the chosen theme on the page, and keeps it. */
export function applyTheme(): void {
  effect(() => {
    const { dataset } = document.documentElement;
    if (theme.value === "system") delete dataset["theme"];
    else dataset["theme"] = theme.value;
    localStorage.setItem(KEY, theme.value);
  });
}
