import { signal } from "@preact/signals";

/** Whether the palette (⌘K) is shown. */
export const isPaletteShown = signal(false);
/** Whether the list of keys (?) is shown. */
export const isHelpShown = signal(false);
