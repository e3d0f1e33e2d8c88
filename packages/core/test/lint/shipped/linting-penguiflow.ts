// Stands in for "penguiflow" while shipped code runs: the linter checks every flow that is created.
import { create as make, type Flow } from "penguiflow";
import { type Finding, lintFlow } from "penguiflow/lint";

/** A flow created by shipped code. */
export interface LintedFlow {
  readonly name: string;
  readonly findings: readonly Finding[];
}

export const flows: LintedFlow[] = [];

export * from "penguiflow";

export const create = new Proxy(make, {
  apply(target, self, edgesAndOptions) {
    const flow = Reflect.apply(target, self, edgesAndOptions) as Flow<never, unknown>;
    flows.push({ name: flow.name, findings: lintFlow(flow) });
    return flow;
  },
});
