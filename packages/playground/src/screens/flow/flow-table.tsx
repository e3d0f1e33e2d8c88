import { useComputed } from "@preact/signals";
import { LOOK_WORDS } from "../../graph/graph-paint.ts";
import { pipeOf, pipeWords } from "../../graph/pipe.ts";
import { lookOf } from "../../graph/slots.ts";
import { span } from "../../parts/figures.ts";
import type { FlowView } from "../../protocol.ts";
import { setQuery } from "../../routing/router.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** The picture as two tables, in the order of nodes and edges: for screen readers, and to be copied. */
export function FlowTable({ view, watched }: { readonly view: FlowView; readonly watched: WatchedFlow }) {
  const stats = useComputed(() => {
    void watched.beat.value;
    return watched.live.stats;
  }).value;
  if (stats === undefined)
    return (
      <p class="quiet small">
        The flow does not run yet: {view.graph.nodes.length} nodes, {view.graph.edges.length} edges. Send something in.
      </p>
    );
  return (
    <>
      <table class="figures-table">
        <caption class="label">Nodes</caption>
        <thead>
          <tr>
            {["node", "state", "slots", "queued", "backoff", "p50", "p95"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {stats.nodes.map((node) => {
            const latency = watched.live.latencyOf(node.name);
            return (
              <tr key={node.name}>
                <th scope="row">
                  <button type="button" class="link" onClick={() => setQuery({ node: node.name, show: undefined })}>
                    {node.name}
                  </button>
                </th>
                <td>{LOOK_WORDS[lookOf(node)]}</td>
                <td>
                  {node.running}/{Number.isFinite(node.concurrency) ? node.concurrency : "∞"}
                </td>
                <td>{node.queued}</td>
                <td>{node.parked}</td>
                <td>{latency === undefined ? "–" : span(latency.p50)}</td>
                <td>{latency === undefined ? "–" : span(latency.p95)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <table class="figures-table">
        <caption class="label">Edges</caption>
        <thead>
          <tr>
            {["edge", "depth", "waiting", "state"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {stats.edges.map((edge) => (
            <tr key={`${edge.source}>${edge.target}`}>
              <th scope="row">
                {edge.source} → {edge.target}
              </th>
              <td>{edge.capacity > 0 ? `${edge.size}/${edge.capacity}` : edge.size}</td>
              <td>{edge.waiting}</td>
              <td data-pressure={pipeOf(edge).pressure}>{pipeWords(pipeOf(edge), edge.waiting)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
