import { api } from "../api/routes.ts";
import { ago, shortId } from "../parts/figures.ts";
import type { IconName } from "../parts/icon.tsx";
import { pathTo } from "../routing/route-pattern.ts";
import { rail } from "../screens/registry.ts";
import { flows } from "../store/project.ts";
import { nextTheme } from "./theme.ts";

/** Something that the palette leads to. */
export interface PaletteEntry {
  readonly icon: IconName;
  readonly label: string;
  readonly note: string;
  /** An address, or what to do. */
  readonly to: string | (() => void);
}

/** Lists what is known without asking: sections, flows, actions. */
export function localEntries(): PaletteEntry[] {
  return [
    ...rail.map(({ icon, label, href }): PaletteEntry => ({ icon, label, note: "section", to: href })),
    { icon: "threads", label: "Threads", note: "section", to: "/threads" },
    { icon: "compare", label: "Compare two runs", note: "section", to: "/compare" },
    ...flows.value.flatMap((flow): PaletteEntry[] => [
      { icon: "flows", label: flow.name, note: `${flow.kind}, live`, to: pathTo("flows", flow.name) },
      ...(flow.takesText
        ? [
            {
              icon: "chat" as const,
              label: `New thread with ${flow.name}`,
              note: "chat",
              to: `/?flow=${encodeURIComponent(flow.name)}`,
            },
          ]
        : []),
    ]),
    { icon: "sun", label: "Next theme", note: "action", to: nextTheme },
  ];
}

/** Asks the server for threads and runs that fit a text. */
export async function foundEntries(text: string): Promise<PaletteEntry[]> {
  const [threads, runs] = await Promise.all([api.threads({ q: text }), api.runs({ q: text })]);
  const found = matching(
    threads.items.map((thread): PaletteEntry => ({
      icon: "threads",
      label: thread.title,
      note: `thread · ${thread.flow} · ${ago(thread.at)}`,
      to: pathTo("threads", thread.id),
    })),
    text,
  );
  return [
    ...found.slice(0, 6),
    ...runs.items.slice(0, 8).map((run): PaletteEntry => ({
      icon: "runs",
      label: run.input === "" ? shortId(run.id) : run.input,
      note: `run ${shortId(run.id)} · ${run.flow} · ${run.state}`,
      to: pathTo("runs", run.flow, run.id),
    })),
  ];
}

/** Keeps entries in which all words of a text occur, those that begin with it first. */
export function matching(entries: readonly PaletteEntry[], text: string): PaletteEntry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const [first = ""] = words;
  return entries
    .filter(({ label, note }) => words.every((word) => `${label} ${note}`.toLowerCase().includes(word)))
    .sort((one, other) => rank(other, first) - rank(one, first));
}

function rank(entry: PaletteEntry, word: string): number {
  return entry.label.toLowerCase().startsWith(word) ? 1 : 0;
}
