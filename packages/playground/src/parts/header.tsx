import type { ComponentChildren } from "preact";

/** Head of a screen: its one `h1`, a line beside it, and what can be done at the right. */
export function Header(props: {
  readonly title: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  return (
    <header class="head">
      <h1>{props.title}</h1>
      {props.note === undefined ? null : <div class="head-note">{props.note}</div>}
      <div class="head-actions">{props.children}</div>
    </header>
  );
}
