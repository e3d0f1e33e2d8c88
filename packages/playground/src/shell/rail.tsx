import { useSignal } from "@preact/signals";
import { count, plural, span } from "../parts/figures.ts";
import { Icon } from "../parts/icon.tsx";
import { keysText } from "../parts/key-hint.tsx";
import { rail, type RailEntry, type Section } from "../screens/registry.ts";
import { connection, findings, flows, openPauses, overlay, project, reload } from "../store/project.ts";
import { Mark } from "./mark.tsx";
import { isHelpShown, isPaletteShown } from "./palette-state.ts";
import { nextTheme, theme } from "./theme.ts";

const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  away: "Reconnecting",
  refused: "Signed out",
  closed: "Closed",
} as const;

/** The rail: every section, and below it the connection, the code that runs, and the theme. */
export function Rail({ section }: { readonly section: Section | undefined }) {
  const isOpen = useSignal(false);
  return (
    <nav class="rail" aria-label="Sections" data-open={isOpen.value}>
      <div class="rail-top">
        <a class="rail-mark" href="/">
          <Mark />
          <span class="rail-name">{project.value?.name ?? "PenguiFlow"}</span>
        </a>
        <span class="rail-kind">{project.value?.isReadOnly === true ? "read-only" : "dev"}</span>
        <button
          type="button"
          class="rail-menu button quiet"
          aria-expanded={isOpen.value}
          aria-controls="rail-list"
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          <Icon name="menu" /> Menu
        </button>
      </div>
      <ul id="rail-list" class="rail-list" onClick={() => (isOpen.value = false)}>
        {rail.map((entry) => (
          <li key={entry.section}>
            <RailLink entry={entry} isCurrent={entry.section === section} />
          </li>
        ))}
      </ul>
      <div class="rail-foot">
        <ConnectionLine />
        <div class="rail-tools">
          <button type="button" class="rail-tool" onClick={nextTheme}>
            Theme: {theme.value}
          </button>
          <button type="button" class="key" onClick={() => (isPaletteShown.value = true)}>
            <span class="sr-only">Go to anything, </span>
            {keysText("mod+k")}
          </button>
          <button type="button" class="key" onClick={() => (isHelpShown.value = true)}>
            <span class="sr-only">List of keys, </span>?
          </button>
        </div>
      </div>
    </nav>
  );
}

function RailLink({ entry, isCurrent }: { readonly entry: RailEntry; readonly isCurrent: boolean }) {
  const open = openPauses.value;
  return (
    <a href={entry.href} class="rail-link" aria-current={isCurrent ? "page" : undefined}>
      <Icon name={entry.icon} />
      <span>{entry.label}</span>
      {entry.section === "approvals" && open > 0 ? (
        <span class="rail-count loud" aria-label={`${open} open`}>
          {count(open)}
        </span>
      ) : null}
      {entry.section === "lint" ? (
        <span class="rail-count" aria-label={plural(findings.value, "finding")}>
          {count(findings.value)}
        </span>
      ) : null}
    </a>
  );
}

function ConnectionLine() {
  const last = reload.value;
  const isBroken = overlay.value !== undefined;
  return (
    <div class="rail-state" role="status">
      <p class="rail-connection" data-state={isBroken ? "broken" : connection.value}>
        <span class="dot" aria-hidden="true" />
        {isBroken ? "Code does not load" : CONNECTION[connection.value]}
      </p>
      <p class="rail-note">
        {plural(flows.value.length, "flow")}
        {project.value === undefined ? "" : ` · Node ${project.value.versions.node.replace(/^v/, "").split(".")[0]}`}
        {last === undefined
          ? ""
          : ` · ${last.files.length === 0 ? "loaded" : "reloaded"} in ${span(last.ms).replace(" ", "\u00A0")}`}
      </p>
    </div>
  );
}
