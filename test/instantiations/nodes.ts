// Twenty nodes and their schemas: the compile-time cost before they form a graph. Odd nodes declare their output, even
// ones leave it to inference, so that edges compare both shared and structurally equal payloads.
import { node } from "penguiflow";
import { z } from "zod";

const Stage1 = z.object({ id: z.string(), stage1: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage2 = z.object({ id: z.string(), stage2: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage3 = z.object({ id: z.string(), stage3: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage4 = z.object({ id: z.string(), stage4: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage5 = z.object({ id: z.string(), stage5: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage6 = z.object({ id: z.string(), stage6: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage7 = z.object({ id: z.string(), stage7: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage8 = z.object({ id: z.string(), stage8: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage9 = z.object({ id: z.string(), stage9: z.number(), tags: z.array(z.string()), note: z.string().optional() });
const Stage10 = z.object({
  id: z.string(),
  stage10: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage11 = z.object({
  id: z.string(),
  stage11: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage12 = z.object({
  id: z.string(),
  stage12: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage13 = z.object({
  id: z.string(),
  stage13: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage14 = z.object({
  id: z.string(),
  stage14: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage15 = z.object({
  id: z.string(),
  stage15: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage16 = z.object({
  id: z.string(),
  stage16: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage17 = z.object({
  id: z.string(),
  stage17: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage18 = z.object({
  id: z.string(),
  stage18: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage19 = z.object({
  id: z.string(),
  stage19: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});
const Stage20 = z.object({
  id: z.string(),
  stage20: z.number(),
  tags: z.array(z.string()),
  note: z.string().optional(),
});

export const node1 = node({ name: "node1", input: Stage1, output: Stage2 }, async ({ payload }) => ({
  id: payload.id,
  stage2: payload.stage1 + 1,
  tags: payload.tags,
}));
export const node2 = node({ name: "node2", input: Stage2 }, async ({ payload }) => ({
  id: payload.id,
  stage3: payload.stage2 + 1,
  tags: payload.tags,
}));
export const node3 = node({ name: "node3", input: Stage3, output: Stage4 }, async ({ payload }) => ({
  id: payload.id,
  stage4: payload.stage3 + 1,
  tags: payload.tags,
}));
export const node4 = node({ name: "node4", input: Stage4 }, async ({ payload }) => ({
  id: payload.id,
  stage5: payload.stage4 + 1,
  tags: payload.tags,
}));
export const node5 = node({ name: "node5", input: Stage5, output: Stage6 }, async ({ payload }) => ({
  id: payload.id,
  stage6: payload.stage5 + 1,
  tags: payload.tags,
}));
export const node6 = node({ name: "node6", input: Stage6 }, async ({ payload }) => ({
  id: payload.id,
  stage7: payload.stage6 + 1,
  tags: payload.tags,
}));
export const node7 = node({ name: "node7", input: Stage7, output: Stage8 }, async ({ payload }) => ({
  id: payload.id,
  stage8: payload.stage7 + 1,
  tags: payload.tags,
}));
export const node8 = node({ name: "node8", input: Stage8 }, async ({ payload }) => ({
  id: payload.id,
  stage9: payload.stage8 + 1,
  tags: payload.tags,
}));
export const node9 = node({ name: "node9", input: Stage9, output: Stage10 }, async ({ payload }) => ({
  id: payload.id,
  stage10: payload.stage9 + 1,
  tags: payload.tags,
}));
export const node10 = node({ name: "node10", input: Stage10 }, async ({ payload }) => ({
  id: payload.id,
  stage11: payload.stage10 + 1,
  tags: payload.tags,
}));
export const node11 = node({ name: "node11", input: Stage11, output: Stage12 }, async ({ payload }) => ({
  id: payload.id,
  stage12: payload.stage11 + 1,
  tags: payload.tags,
}));
export const node12 = node({ name: "node12", input: Stage12 }, async ({ payload }) => ({
  id: payload.id,
  stage13: payload.stage12 + 1,
  tags: payload.tags,
}));
export const node13 = node({ name: "node13", input: Stage13, output: Stage14 }, async ({ payload }) => ({
  id: payload.id,
  stage14: payload.stage13 + 1,
  tags: payload.tags,
}));
export const node14 = node({ name: "node14", input: Stage14 }, async ({ payload }) => ({
  id: payload.id,
  stage15: payload.stage14 + 1,
  tags: payload.tags,
}));
export const node15 = node({ name: "node15", input: Stage15, output: Stage16 }, async ({ payload }) => ({
  id: payload.id,
  stage16: payload.stage15 + 1,
  tags: payload.tags,
}));
export const node16 = node({ name: "node16", input: Stage16 }, async ({ payload }) => ({
  id: payload.id,
  stage17: payload.stage16 + 1,
  tags: payload.tags,
}));
export const node17 = node({ name: "node17", input: Stage17, output: Stage18 }, async ({ payload }) => ({
  id: payload.id,
  stage18: payload.stage17 + 1,
  tags: payload.tags,
}));
export const node18 = node({ name: "node18", input: Stage18 }, async ({ payload }) => ({
  id: payload.id,
  stage19: payload.stage18 + 1,
  tags: payload.tags,
}));
export const node19 = node({ name: "node19", input: Stage19, output: Stage20 }, async ({ payload }) => ({
  id: payload.id,
  stage20: payload.stage19 + 1,
  tags: payload.tags,
}));
export const node20 = node({ name: "node20", input: Stage20 }, async ({ payload }) => ({
  id: payload.id,
  stage21: payload.stage20 + 1,
  tags: payload.tags,
}));
