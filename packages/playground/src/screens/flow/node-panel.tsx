import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { LOOK_WORDS } from "../../graph/graph-paint.ts";
import { lookOf } from "../../graph/slots.ts";
import { count, plural, span } from "../../parts/figures.ts";
import type { FlowView, NodeStats } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { latestMatching } from "./event-filter.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** A node's figures, policy and neighbours. */
export function NodePanel(props: { readonly view: FlowView; readonly watched: WatchedFlow; readonly name: string }) {
  const { view, watched, name } = props;
  const node = view.graph.nodes.find((each) => each.name === name);
  const stats = useComputed(() => {
    void watched.beat.value;
    return watched.live.stats?.nodes.find((each) => each.name === name);
  }).value;
  const into = view.graph.edges.filter(({ to }) => to === name);
  const outOf = view.graph.edges.filter(({ from }) => from === name);
  const policy = Object.entries(node?.policy ?? {});
  return (
    <>
      <dl class="facts">
        <Fact name="kind">
          {[node?.kind, node?.effects === "none" ? undefined : node?.effects].filter(Boolean).join(", ")}
        </Fact>
        {stats === undefined ? null : figures(stats, watched)}
        {node?.gathering === undefined ? null : (
          <Fact name="gathers">
            {node.gathering.count === "dynamic" ? "groups of any size" : `groups of ${node.gathering.count}`}
          </Fact>
        )}
      </dl>
      {stats !== undefined && stats.groups.length > 0 ? <Groups stats={stats} /> : null}
      {policy.length === 0 ? null : (
        <section>
          <h3 class="label">Policy</h3>
          <dl class="facts">
            {policy.map(([option, value]) => (
              <Fact key={option} name={option}>
                {typeof value === "object" ? JSON.stringify(value) : String(value)}
              </Fact>
            ))}
          </dl>
        </section>
      )}
      <section>
        <h3 class="label">Edges</h3>
        <ul class="drawer-edges">
          {into.map(({ from }) => (
            <EdgeLine key={from} watched={watched} from={from} to={name} text={`← ${from}`} />
          ))}
          {outOf.map(({ to }) => (
            <EdgeLine key={to} watched={watched} from={name} to={to} text={`→ ${to}`} />
          ))}
        </ul>
      </section>
      <section>
        <h3 class="label">Latest events</h3>
        <NodeEvents watched={watched} name={name} />
      </section>
      <p>
        <a href={`${pathTo("runs")}?${new URLSearchParams({ flow: view.name, node: name }).toString()}`}>
          Runs that reached it
        </a>
      </p>
    </>
  );
}

function figures(stats: NodeStats, watched: WatchedFlow) {
  const latency = watched.live.latencyOf(stats.name);
  return (
    <>
      <Fact name="state">{LOOK_WORDS[lookOf(stats)]}</Fact>
      <Fact name="slots">
        {stats.running} of {Number.isFinite(stats.concurrency) ? stats.concurrency : "any number"}
        {stats.blocked > 0 ? `, ${stats.blocked} held back` : ""}
      </Fact>
      <Fact name="queued">{count(stats.queued)}</Fact>
      {stats.limited > 0 ? <Fact name="wait for the limiter">{count(stats.limited)}</Fact> : null}
      <Fact name="in backoff">{count(stats.parked)}</Fact>
      {stats.lingering > 0 ? (
        <Fact name="lingering">
          {stats.lingering}, {plural(stats.zombies, "zombie")}
        </Fact>
      ) : null}
      <Fact name="p50, p95">{latency === undefined ? "–" : `${span(latency.p50)}, ${span(latency.p95)}`}</Fact>
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The incomplete groups of a join, each as a row of filled and open places. */
function Groups({ stats }: { readonly stats: NodeStats }) {
  const shown = stats.groups.slice(0, 12);
  return (
    <section>
      <h3 class="label">{plural(stats.groups.length, "incomplete group")}</h3>
      <ul class="join-groups">
        {shown.map(({ have, want }, index) => (
          <li key={index}>
            <span class="join-group" aria-hidden="true">
              {Array.from({ length: Math.min(want, 16) }, (_, place) => (
                <i key={place} data-filled={place < have} />
              ))}
            </span>
            {have} of {want}
          </li>
        ))}
      </ul>
    </section>
  );
}

function EdgeLine(props: {
  readonly watched: WatchedFlow;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}) {
  const pipe = useComputed(() => props.watched.paint.value.edges.get(`${props.from}>${props.to}`));
  return (
    <li>
      <span>{props.text}</span>
      <span class="mono" data-pressure={pipe.value?.pressure ?? "quiet"}>
        {pipe.value?.label ?? ""}
      </span>
    </li>
  );
}

function NodeEvents({ watched, name }: { readonly watched: WatchedFlow; readonly name: string }) {
  const events = useComputed(() => {
    void watched.beat.value;
    const own = watched.live.events.filter(({ node, path }) => node === name && path === undefined);
    return latestMatching(own, "", 8);
  }).value;
  if (events.length === 0) return <p class="quiet small">None since this page was opened.</p>;
  return (
    <ul class="drawer-events">
      {events.map(({ type, traceId, ms, code }, index) => (
        <li key={index}>
          <span>{type}</span> <span class="quiet">{ms === undefined ? (code ?? traceId) : `${Math.round(ms)} ms`}</span>
        </li>
      ))}
    </ul>
  );
}
