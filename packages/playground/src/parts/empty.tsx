import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon.tsx";

/** An empty page: it says what would be here and what to do, and offers links, after other things to click. */
export function Empty(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly text: ComponentChildren;
  readonly links?: readonly (readonly [address: string, words: string])[];
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <span class="empty-sign">
        <Icon name={props.icon} size={24} />
      </span>
      <h2>{props.title}</h2>
      <p>{props.text}</p>
      <div class="empty-actions">
        {props.children}
        {props.links?.map(([address, words]) => (
          <a key={address} class="button" href={address}>
            {words}
          </a>
        ))}
      </div>
    </div>
  );
}
