const SIGNS: Readonly<Record<string, string>> = {
  mod: isMac() ? "⌘" : "Ctrl ",
  Escape: "Esc",
  Enter: "↵",
  " ": "Space",
};

/** Keys beside what they do: decoration, the list of keys behind `?` names them all. */
export function KeyHint({ keys }: { readonly keys: string }) {
  return (
    <kbd class="key" aria-hidden="true">
      {keysText(keys)}
    </kbd>
  );
}

/** Writes keys as they stand on the keyboard: `"mod+k"` is ⌘K, `"g c"` is G C. */
export function keysText(keys: string): string {
  if (keys === " ") return sign(keys);
  return keys
    .split(" ")
    .map((key) => key.split("+").map(sign).join(""))
    .join(" ");
}

function sign(key: string): string {
  return SIGNS[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}

function isMac(): boolean {
  return typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.userAgent);
}
