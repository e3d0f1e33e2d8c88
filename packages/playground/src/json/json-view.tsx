import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { CHARACTERS_SHOWN, ENTRIES_SHOWN, entriesOf, kindOf, oneLine } from "./json-shape.ts";

/**
 * A JSON value as a tree. Its outer levels are open; a long string, array or object shows its beginning, and more of
 * it on demand, so that a payload of megabytes costs no more than a short one.
 */
export function JsonView({ value, openDepth = 2 }: { readonly value: unknown; readonly openDepth?: number }) {
  return (
    <div class="json">
      <Value value={value} open={openDepth} name={undefined} />
    </div>
  );
}

function Value(props: { readonly value: unknown; readonly open: number; readonly name: string | undefined }) {
  const { value, name } = props;
  const label: ComponentChildren = name === undefined ? null : <span class="json-key">{name}: </span>;
  const kind = kindOf(value);
  if ((kind === "object" || kind === "array") && entriesOf(value).length > 0) {
    return <Branch value={value} open={props.open} label={label} />;
  }
  return (
    <div class="json-leaf">
      {label}
      {kind === "string" ? <Text text={String(value)} /> : <span class={`json-${kind}`}>{oneLine(value ?? null)}</span>}
    </div>
  );
}

function Branch(props: { readonly value: unknown; readonly open: number; readonly label: ComponentChildren }) {
  const isOpen = useSignal(props.open > 0);
  const shown = useSignal(ENTRIES_SHOWN);
  const entries = entriesOf(props.value);
  const isArray = Array.isArray(props.value);
  const size = isArray ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <div class="json-branch">
      <button
        type="button"
        class="json-toggle"
        aria-expanded={isOpen.value}
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        {props.label}
        <span class="json-size">{size}</span>
        {isOpen.value ? null : <span class="json-peek"> {oneLine(props.value, 80)}</span>}
      </button>
      {isOpen.value ? (
        <div class="json-inner">
          {entries.slice(0, shown.value).map(([key, item]) => (
            <Value key={key} name={key} value={item} open={props.open - 1} />
          ))}
          {entries.length > shown.value ? (
            <button type="button" class="json-more" onClick={() => (shown.value += ENTRIES_SHOWN * 5)}>
              … {entries.length - shown.value} more
            </button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}

function Text({ text }: { readonly text: string }) {
  const shown = useSignal(CHARACTERS_SHOWN);
  const isCut = text.length > shown.value;
  return (
    <>
      <span class="json-string">"{isCut ? text.slice(0, shown.value) : text}"</span>
      {isCut ? (
        <button type="button" class="json-more" onClick={() => (shown.value = shown.value * 10)}>
          … {text.length - shown.value} more characters
        </button>
      ) : null}
    </>
  );
}
