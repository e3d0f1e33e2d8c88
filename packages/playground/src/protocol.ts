/**
 * The HTTP interface between `penguiflow dev` and its pages: each route under `/api` takes and gives one of these shapes
 * as JSON. Types, and the statuses of the error codes: the server and the page share them without sharing code.
 */
export type { EdgeStats, FlowEvent, FlowStats, GraphJson, NodeStats } from "penguiflow";
export type { Finding } from "penguiflow/lint";
export type { PlanEvent } from "@penguiflow/planner";
export * from "./protocol/problem.ts";
export type * from "./protocol/project.ts";
export type * from "./protocol/entry.ts";
export type * from "./protocol/feed.ts";
export type * from "./protocol/log-line.ts";
export type * from "./protocol/run.ts";
export type * from "./protocol/step.ts";
export type * from "./protocol/pause.ts";
export type * from "./protocol/thread.ts";
export type * from "./protocol/tool.ts";
export type * from "./protocol/compare.ts";
export type * from "./protocol/simulation.ts";
