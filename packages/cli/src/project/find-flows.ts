import type { Planner } from "@penguiflow/planner";
import type { AnyFlow } from "./any-flow.ts";

/** A planner of whatever types. */
export type AnyPlanner = Planner<unknown>;

/** A flow that a project exports. */
export interface FoundFlow {
  readonly name: string;
  /** Name of its export, such as `flows[0]`. */
  readonly exported: string;
  readonly flow: AnyFlow;
  /** The planner whose flow it is. */
  readonly planner: AnyPlanner | undefined;
}

/** Whether a value is a flow, of whatever copy of the package. */
function isFlow(value: unknown): value is AnyFlow {
  if (typeof value !== "object" || value === null) return false;
  const { graph, run, outcome } = value as Partial<AnyFlow>;
  return Array.isArray(graph?.vertices) && typeof run === "function" && typeof outcome === "function";
}

function isPlanner(value: unknown): value is AnyPlanner {
  if (typeof value !== "object" || value === null) return false;
  const { flow, questions } = value as Partial<AnyPlanner>;
  return isFlow(flow) && typeof questions === "function";
}

/** Lists the flows and planners among the exports of a module: as values, and in exported arrays and records. */
export function flowsOf(exports: Readonly<Record<string, unknown>>): FoundFlow[] {
  const found = new Map<AnyFlow, FoundFlow>();
  const add = (exported: string, value: unknown): boolean => {
    const planner = isPlanner(value) ? value : undefined;
    const flow = (planner?.flow as AnyFlow | undefined) ?? (isFlow(value) ? value : undefined);
    if (flow === undefined) return false;
    // the planner tells more than its flow
    if (!found.has(flow) || planner !== undefined) found.set(flow, { name: flow.name, exported, flow, planner });
    return true;
  };
  for (const [name, value] of Object.entries(exports)) {
    if (add(name, value)) continue;
    if (Array.isArray(value)) value.forEach((item, index) => add(`${name}[${index}]`, item));
    else if (isRecord(value)) for (const [key, item] of Object.entries(value)) add(`${name}.${key}`, item);
  }
  return [...found.values()];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
