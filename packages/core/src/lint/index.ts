export type { Finding, LintRule } from "./finding.ts";
export { formatFindings } from "./format-findings.ts";
export { lintFlow } from "./lint-flow.ts";
