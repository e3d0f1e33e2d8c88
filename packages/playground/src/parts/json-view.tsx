import { useState } from "preact/hooks";
import { entriesOf, sizeOf, textOfLeaf } from "./json-lines.ts";

/** Number of entries that are shown at first, and added by each click. */
const BATCH = 100;
/** Longest text that is shown whole at first. */
const LONG = 600;

/** A JSON value as a tree that can be folded. Long lists and texts are shown in parts, so that 5 MB stay readable. */
export function JsonView({ value, openDepth = 2 }: { readonly value: unknown; readonly openDepth?: number }) {
  return (
    <div class="json">
      <Value value={value} depth={0} openDepth={openDepth} />
    </div>
  );
}

interface ValueProps {
  readonly name?: string;
  readonly value: unknown;
  readonly depth: number;
  readonly openDepth: number;
}

function Value({ name, value, depth, openDepth }: ValueProps) {
  const size = sizeOf(value);
  const [isOpen, setOpen] = useState(depth < openDepth && size <= 200);
  const [shown, setShown] = useState(BATCH);
  if (size <= 0)
    return (
      <div class="json-line">
        <Name name={name} />
        <Leaf value={value} />
      </div>
    );
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return (
    <div class="json-line">
      <button type="button" class="json-fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span class="json-sign" aria-hidden="true">
          {isOpen ? "▾" : "▸"}
        </span>
        <Name name={name} />
        <span class="json-size">
          {open}
          {size}
          {close}
        </span>
      </button>
      {isOpen ? (
        <div class="json-inside">
          {entriesOf(value, shown).map(([key, inner]) => (
            <Value key={key} name={key} value={inner} depth={depth + 1} openDepth={openDepth} />
          ))}
          {size > shown ? (
            <button type="button" class="link small" onClick={() => setShown(shown + BATCH)}>
              {size - shown} more
            </button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}

function Name({ name }: { readonly name: string | undefined }) {
  return name === undefined ? null : <span class="json-name">{name}: </span>;
}

function Leaf({ value }: { readonly value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  const text = textOfLeaf(value);
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  if (text.length <= LONG || isWhole) return <span class={`json-leaf json-${kind}`}>{text}</span>;
  return (
    <>
      <span class={`json-leaf json-${kind}`}>{text.slice(0, LONG)}…</span>{" "}
      <button type="button" class="link small" onClick={() => setWhole(true)}>
        all {text.length} characters
      </button>
    </>
  );
}
