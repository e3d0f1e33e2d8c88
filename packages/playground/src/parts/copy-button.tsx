import { useSignal } from "@preact/signals";
import { Icon } from "./icon.tsx";

/** Copies a text to the clipboard, and says so. */
export function CopyButton({ text, label = "Copy" }: { readonly text: string; readonly label?: string }) {
  const done = useSignal<"no" | "yes" | "failed">("no");
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      done.value = "yes";
    } catch {
      done.value = "failed";
    }
  }
  return (
    <button type="button" class="button quiet small" onClick={() => void copy()}>
      <Icon name={done.value === "yes" ? "check" : "copy"} size={13} />
      <span role="status">{done.value === "yes" ? "Copied" : done.value === "failed" ? "Not allowed" : label}</span>
    </button>
  );
}
