import { useSignal } from "@preact/signals";
import type { DrawnGraph } from "../../graph/drawn-graph.ts";
import { graphToSvg } from "../../graph/graph-to-svg.ts";
import type { FlowView } from "../../protocol.ts";
import { save } from "../../parts/save-file.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** Takes the picture away: as SVG with its present state, or as Mermaid text. */
export function ExportMenu(props: {
  readonly view: FlowView;
  readonly drawn: DrawnGraph;
  readonly watched: WatchedFlow;
}) {
  const { view, drawn, watched } = props;
  const isCopied = useSignal(false);
  const saveSvg = (): void => save(`${view.name}.svg`, "image/svg+xml", graphToSvg(drawn, watched.paint.peek()));
  const copyMermaid = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(view.mermaid);
      isCopied.value = true;
      setTimeout(() => (isCopied.value = false), 1_500);
    } catch {
      // without the permission to write the clipboard
      save(`${view.name}.mmd`, "text/plain", view.mermaid);
    }
  };
  return (
    <>
      <button type="button" class="button quiet" onClick={saveSvg}>
        SVG
      </button>
      <button type="button" class="button quiet" onClick={() => void copyMermaid()}>
        {isCopied.value ? "Copied" : "Mermaid"}
      </button>
    </>
  );
}
