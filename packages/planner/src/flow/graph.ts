import { createFrom, type Flow, type FlowOptions } from "penguiflow";
import type { PlanInput } from "../plan/loop-state.ts";
import type { BareEnd } from "../plan/plan-end.ts";
import { answerNode } from "./answer.ts";
import { askNode } from "./ask.ts";
import { beginNode } from "./begin.ts";
import { criticNode } from "./critic.ts";
import { dispatchNode } from "./dispatch.ts";
import { modelNode } from "./model.ts";
import { OWN_TOOLS, type PlannerParts } from "./parts.ts";
import { gatherNode, recordNode } from "./record.ts";
import { toolsNodeOf } from "./tools.ts";

/**
 * Builds the flow of a planner: begin → model → dispatch → a node for each source → record → gather → model → answer. A
 * turn with one call about which there is nothing to decide goes model → tools → model.
 */
export function planFlow<Output, Resources>(
  parts: PlannerParts,
  options: FlowOptions,
): Flow<PlanInput, BareEnd<Output>, Resources> {
  const begin = beginNode(parts);
  const model = modelNode(parts);
  const dispatch = dispatchNode(parts);
  const ask = askNode(parts);
  const record = recordNode(parts);
  const gather = gatherNode();
  const answer = answerNode(parts);
  const critics = parts.critic === undefined ? [] : [criticNode(parts, parts.critic)];
  const tools = parts.catalogue.sources.map((source) => toolsNodeOf(parts, source));
  return createFrom<PlanInput, BareEnd<Output>, Resources>(
    [
      begin.to(model, answer),
      model.to(dispatch, ...tools.filter(({ name }) => name === OWN_TOOLS)),
      dispatch.to(ask, ...tools, record, model, answer, ...critics),
      ...critics.map((critic) => critic.to(dispatch)),
      ask.to(...tools, record),
      ...tools.map((node) => node.to(record, model)),
      record.to(gather, model, answer, ...critics),
      gather.to(model),
      answer.to(),
    ],
    { ...options, name: parts.name, allowCycles: true },
  );
}
