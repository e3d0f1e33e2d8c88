import type { LanguageModelV4, LanguageModelV4Prompt } from "@ai-sdk/provider";
import { defaultPrompt, type PromptParts } from "@penguiflow/planner";
import type { CheckpointPartition, CheckpointStore, LogRow } from "penguiflow";
import { wrapPartition } from "../../core/src/testing/kit/wrap-partition.ts";

/** Defects that the rules of a simulated planner must detect, with the rule. */
export const plannedDefects = {
  "changed-rows": "P10",
  "impure-prompts": "P11",
  "lost-signatures": "P11",
  "dropped-calls": "P12",
  "other-ends": "P13",
  "remembering-prompts": "P14",
  "hasty-retries": "P15",
  "repeated-writes": "P1",
  "unmarked-data": "P16",
  "foreign-users": "P17",
} as const;

/** Name of a defect. */
export type PlannedDefect = keyof typeof plannedDefects;

type MakePrompt = (given: PromptParts) => LanguageModelV4Prompt;

/** Ways of making prompts that have a defect. */
const prompts: Partial<Record<PlannedDefect, () => MakePrompt>> = {
  "impure-prompts": () => {
    let count = 0;
    return (given) => defaultPrompt({ ...given, instructions: `Call ${(count += 1)}` });
  },
  "lost-signatures": () => (given) =>
    JSON.parse(
      JSON.stringify(defaultPrompt(given), (key, value: unknown) => (key === "providerOptions" ? undefined : value)),
    ) as LanguageModelV4Prompt,
  "remembering-prompts": () => {
    let [last, before]: (PromptParts | undefined)[] = [];
    return (given) => {
      if (given !== last) [last, before] = [given, last];
      const text = JSON.stringify(before?.turns.filter(({ role }) => role === "tool") ?? []);
      return defaultPrompt({ ...given, turns: [...given.turns, { role: "note", text }] });
    };
  },
  "unmarked-data": () => (given) => defaultPrompt(given).filter(({ role }) => role !== "system"),
};

/** Returns how a planner makes its prompts. */
export function promptOf(defect: PlannedDefect | undefined): MakePrompt {
  return (defect && prompts[defect])?.() ?? defaultPrompt;
}

/** Wraps a model that loses the calls of some turns. */
export function modelOf(model: LanguageModelV4, defect: PlannedDefect | undefined): LanguageModelV4 {
  if (defect !== "dropped-calls") return model;
  return {
    ...model,
    async doGenerate(options) {
      const answer = await model.doGenerate(options);
      if (answer.finishReason.unified !== "stop") return answer;
      return { ...answer, content: answer.content.filter(({ type }) => type !== "tool-call") };
    },
  };
}

/** Wraps a checkpoint store that reads rows of logs otherwise than they were written. */
export function readingStore(store: CheckpointStore, defect: PlannedDefect | undefined): CheckpointStore {
  if (defect !== "changed-rows") return store;
  return wrapStore(store, (partition) => ({
    readLog: async (run) =>
      (await partition.readLog(run)).map((row) => ({ ...row, items: row.items.replaceAll("done ", "did ") })),
  }));
}

/** Wraps a checkpoint store that writes other ends than the planner's. */
export function writingStore(store: CheckpointStore, defect: PlannedDefect | undefined): CheckpointStore {
  if (defect !== "other-ends") return store;
  const changed = ({ items, ...row }: LogRow): LogRow => ({
    ...row,
    items: items.replaceAll('"end":{"status":"completed"', '"end":{"status":"failed"'),
  });
  return wrapStore(store, (partition) => ({
    append: (batch, sequence) => partition.append({ ...batch, logs: batch.logs?.map(changed) }, sequence),
  }));
}

/** Wraps a checkpoint store: `change` gives the members of a partition that are replaced. */
export function wrapStore(
  store: CheckpointStore,
  change: (partition: CheckpointPartition) => Partial<CheckpointPartition>,
): CheckpointStore {
  return {
    async open(lease) {
      const partition = await store.open(lease);
      return wrapPartition(partition, change(partition));
    },
  };
}
