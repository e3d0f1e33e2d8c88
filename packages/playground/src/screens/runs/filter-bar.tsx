import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../../parts/icon.tsx";
import { setQuery } from "../../routing/router.ts";
import { flows } from "../../store/project.ts";
import { type FilterName, SINCE, type ShownFilter } from "./run-filter.ts";

const STATES = ["running", "paused", "completed", "failed", "exhausted", "cancelled", "empty", "stopped", "lost"];
/** Milliseconds after the last key before a search begins. */
const TYPING_MS = 250;

/** The filters. Choices take effect at once, texts a moment after the last key. */
export function FilterBar(props: {
  readonly filter: ShownFilter;
  readonly search: RefObject<HTMLInputElement | null>;
}) {
  const { filter } = props;
  return (
    <search class="filter-bar">
      <Text name="q" filter={filter} placeholder="Search inputs, outputs, errors  ( / )" input={props.search} isWide />
      <Choice name="flow" filter={filter} options={flows.value.map(({ name }) => name)} all="all flows" />
      <Choice name="state" filter={filter} options={STATES} all="all states" />
      <Choice name="since" filter={filter} options={Object.keys(SINCE)} all="any time" />
      <Text name="node" filter={filter} placeholder="node" />
      <Text name="code" filter={filter} placeholder="error code" />
      <Text name="tenant" filter={filter} placeholder="tenant" />
      {filter.thread === undefined ? null : (
        <button type="button" class="button small" onClick={() => setQuery({ thread: undefined })}>
          thread {filter.thread} <Icon name="close" size={12} />
        </button>
      )}
    </search>
  );
}

function Choice(props: {
  readonly name: FilterName;
  readonly filter: ShownFilter;
  readonly options: readonly string[];
  readonly all: string;
}) {
  const { name, filter, options, all } = props;
  const value = filter[name] ?? "";
  const shown = value === "" || options.includes(value) ? options : [...options, value];
  return (
    <select
      class="field"
      aria-label={name === "since" ? "time" : name}
      data-set={value !== ""}
      value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value }, { replace: false })}
    >
      <option value="">{all}</option>
      {shown.map((option) => (
        <option key={option} value={option}>
          {name === "since" ? `last ${option}` : option}
        </option>
      ))}
    </select>
  );
}

function Text(props: {
  readonly name: FilterName;
  readonly filter: ShownFilter;
  readonly placeholder: string;
  readonly input?: RefObject<HTMLInputElement | null>;
  readonly isWide?: boolean;
}) {
  const { name, filter, placeholder } = props;
  const set = filter[name] ?? "";
  const [text, setText] = useState(set);
  useEffect(() => setText(set), [set]);
  useEffect(() => {
    if (text.trim() === set) return undefined;
    const timer = setTimeout(() => setQuery({ [name]: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      class="field"
      type="search"
      ref={props.input ?? null}
      aria-label={name === "q" ? "Search inputs, outputs and errors" : placeholder}
      placeholder={placeholder}
      data-set={set !== ""}
      data-wide={props.isWide === true}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape") event.currentTarget.blur();
      }}
    />
  );
}
