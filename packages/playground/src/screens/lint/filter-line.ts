import type { Finding } from "../../protocol.ts";

/** Writes the line of code that leaves a finding out of `lintFlow`'s result. */
export function filterLine({ rule, nodes }: Finding): string {
  const isIt = `finding.rule === ${JSON.stringify(rule)} && finding.nodes.join() === ${JSON.stringify(nodes.join())}`;
  return `lintFlow(flow).filter((finding) => !(${isIt}))`;
}
