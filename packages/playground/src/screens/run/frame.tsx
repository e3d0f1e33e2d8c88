import type { ComponentChildren } from "preact";

/** The frame of the inspector and of the panels that take its place, at the right of the timeline. */
export function Frame({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <section class="inspector" aria-label={label}>
      {children}
    </section>
  );
}
