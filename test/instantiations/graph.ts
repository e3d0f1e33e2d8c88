// The same twenty nodes, connected and used: the difference is the compile-time cost of checked edges.
import { create } from "penguiflow";
import {
  node1,
  node2,
  node3,
  node4,
  node5,
  node6,
  node7,
  node8,
  node9,
  node10,
  node11,
  node12,
  node13,
  node14,
  node15,
  node16,
  node17,
  node18,
  node19,
  node20,
} from "./nodes.ts";

export const flow = create(
  node1.to(node2),
  node2.to(node3),
  node3.to(node4),
  node4.to(node5),
  node5.to(node6),
  node6.to(node7),
  node7.to(node8),
  node8.to(node9),
  node9.to(node10),
  node10.to(node11),
  node11.to(node12),
  node12.to(node13),
  node13.to(node14),
  node14.to(node15),
  node15.to(node16),
  node16.to(node17),
  node17.to(node18),
  node18.to(node19),
  node19.to(node20),
);

export const result: Promise<{ stage21: number }> = flow.call({ id: "a", stage1: 1, tags: [] });
