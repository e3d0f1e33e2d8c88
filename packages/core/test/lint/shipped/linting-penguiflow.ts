// Stands in for "penguiflow" while shipped code runs: the linter checks every flow that is created.
import { create as make, createFrom as makeFrom, type Flow } from "penguiflow";
import { type Finding, lintFlow } from "penguiflow/lint";

/** A flow created by shipped code. */
export interface LintedFlow {
  readonly name: string;
  readonly findings: readonly Finding[];
}

export const flows: LintedFlow[] = [];

export * from "penguiflow";

/** Wraps a function that creates flows. */
function linting<Make extends typeof make | typeof makeFrom>(creates: Make): Make {
  return new Proxy(creates, {
    apply(target, self, given) {
      const flow = Reflect.apply(target, self, given) as Flow<never, unknown>;
      flows.push({ name: flow.name, findings: lintFlow(flow) });
      return flow;
    },
  });
}

export const create = linting(make);

export const createFrom = linting(makeFrom);
