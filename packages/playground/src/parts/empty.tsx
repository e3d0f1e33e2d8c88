import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon.tsx";

/** An empty page: it says what would be here, what to do, and offers things to click as its children. */
export function Empty(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly text: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <span class="empty-sign">
        <Icon name={props.icon} size={24} />
      </span>
      <h2>{props.title}</h2>
      <p>{props.text}</p>
      <div class="empty-actions">{props.children}</div>
    </div>
  );
}
