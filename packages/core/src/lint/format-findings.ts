import { type Finding, quoted } from "./finding.ts";

/** Formats findings as lines to print: problem, place, reason and fix. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "No findings\n";
  return findings
    .map(
      ({ rule, severity, nodes, reason, fix }) =>
        `${severity} ${rule} at ${quoted(nodes)}\n  ${reason}.\n  Fix: ${fix}.\n`,
    )
    .join("");
}
