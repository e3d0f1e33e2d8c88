import { useComputed } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { type DrawnGraph, edgeId } from "../../graph/drawn-graph.ts";
import { GraphCanvas } from "../../graph/graph-canvas.tsx";
import type { LayoutOptions } from "../../graph/layout-graph.ts";
import { useDrawing } from "../../graph/use-drawing.tsx";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { KeyHint } from "../../parts/key-hint.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { FlowView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { query, setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { flows, isReadOnly, reload } from "../../store/project.ts";
import type { ScreenProps } from "../registry.ts";
import { Deadlock } from "./deadlock.tsx";
import { Drawer } from "./drawer.tsx";
import { EntryStrip, useEntry } from "./entry-strip.tsx";
import { EventList } from "./event-list.tsx";
import { ExportMenu } from "./export-menu.tsx";
import { FigureStrip } from "./figure-strip.tsx";
import { watchFlow } from "./watch-flow.ts";

/** A flow, live: its queues, senders that are held back, slots and messages on their way. */
export function Screen({ params }: ScreenProps) {
  const name = params["name"] ?? "";
  const { value, error, again } = useLoaded(`flow ${name}`, () => api.flow(name));
  const generation = reload.value?.generation;
  useEffect(() => {
    if (generation !== undefined && generation > 1) again();
  }, [generation]);
  const drawing = useDrawing(value, layoutOf());
  if (drawing === undefined || drawing.of.name !== name)
    return (
      <>
        <Header title={name} />
        {error === undefined ? null : (
          <div class="page">
            <Problem error={error} again={again} />
          </div>
        )}
      </>
    );
  return <Live key={name} view={drawing.of} drawn={drawing.drawn} />;
}

const WIDE: LayoutOptions = {};
const NARROW: LayoutOptions = { direction: "TB", rankGap: 56 };

/** Draws from top to bottom on a narrow screen. */
function layoutOf(): LayoutOptions {
  return innerWidth < 700 ? NARROW : WIDE;
}

function Live({ view, drawn }: { readonly view: FlowView; readonly drawn: DrawnGraph }) {
  const watched = useMemo(() => watchFlow(view, drawn), [drawn]);
  useEffect(() => watched.stop, [watched]);
  const entry = useEntry(view.name);
  const shown = query.value.get("show") ?? undefined;
  const selected = query.value.get("node") ?? undefined;
  const show = (what: string): void =>
    setQuery({ show: shown === what ? undefined : what, node: undefined, trace: undefined });
  useKeys([
    { keys: "s", label: "Send something in", run: () => (isReadOnly.peek() ? false : show("send")) },
    { keys: "t", label: "The graph as a table", run: () => show("table") },
    {
      keys: "Escape",
      label: "Close the panel",
      run: () =>
        shown === undefined && selected === undefined
          ? false
          : setQuery({ show: undefined, node: undefined, trace: undefined }),
    },
  ]);
  const cycle = useComputed(() => {
    void watched.beat.value;
    return watched.live.deadlock?.cycle;
  }).value;
  const marked = useMemo(
    () => new Set(cycle?.slice(1).map((to, index) => edgeId(cycle[index] ?? "", to)) ?? []),
    [cycle],
  );
  return (
    <>
      <Header title={view.name} note={`${view.graph.nodes.length} nodes · ${view.graph.edges.length} edges`}>
        <FlowSwitch current={view.name} />
        <ExportMenu view={view} drawn={drawn} watched={watched} />
        <button type="button" class="button" aria-pressed={shown === "tenants"} onClick={() => show("tenants")}>
          Tenants
        </button>
        <button type="button" class="button" aria-pressed={shown === "table"} onClick={() => show("table")}>
          Table <KeyHint keys="t" />
        </button>
        {isReadOnly.value ? null : (
          <button type="button" class="button primary" aria-pressed={shown === "send"} onClick={() => show("send")}>
            <Icon name="play" /> Send something in <KeyHint keys="s" />
          </button>
        )}
      </Header>
      <FigureStrip watched={watched}>
        {isReadOnly.value || entry.held !== undefined ? null : (
          <button
            type="button"
            class="button"
            title="Hold the entry: messages of the pages and of AG-UI wait before the flow"
            onClick={entry.turn}
          >
            Hold <KeyHint keys="e" />
          </button>
        )}
      </FigureStrip>
      <EntryStrip entry={entry} />
      <div class="flow-stage">
        <div class="flow-main">
          <Deadlock watched={watched} flow={view.name} />
          <GraphCanvas
            drawn={drawn}
            paint={watched.paint}
            dots={watched.dots}
            label={`Graph of ${view.name}: arrow keys move between nodes, plus and minus zoom`}
            selected={selected}
            onSelect={(node) =>
              setQuery({ node: node === selected ? undefined : node, show: undefined, trace: undefined })
            }
            marked={marked}
          />
          <EventList watched={watched} />
        </div>
        <Drawer view={view} watched={watched} />
      </div>
    </>
  );
}

/** The other flows of the project, one click away. */
function FlowSwitch({ current }: { readonly current: string }) {
  if (flows.value.length < 2) return null;
  return (
    <nav class="flow-switch" aria-label="Flows">
      {flows.value.slice(0, 4).map(({ name }) => (
        <a key={name} href={pathTo("flows", name)} aria-current={name === current ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}
