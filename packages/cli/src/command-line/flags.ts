import type { Flag } from "./command.ts";

/** Flags that several commands have. */
export const JSON_FLAG = { type: "boolean", help: "prints JSON" } as const satisfies Flag;

export const PROJECT_FLAG = {
  type: "string",
  short: "p",
  value: "folder",
  default: ".",
  help: "folder of the project",
} as const satisfies Flag;

export const STORE_FLAG = {
  type: "string",
  value: "store",
  help: "state store: a SQLite file, or postgres://…; PENGUIFLOW_STORE when left out",
} as const satisfies Flag;

export const BACKEND_FLAG = {
  type: "string",
  value: "backend",
  help: "postgres://…, nats://…, or a file whose default export opens the backend; PENGUIFLOW_BACKEND when left out",
} as const satisfies Flag;

export const CLUSTER_FLAG = {
  type: "string",
  value: "name",
  help: "name of the cluster; PENGUIFLOW_CLUSTER when left out",
} as const satisfies Flag;

export const TENANT_FLAG = {
  type: "string",
  value: "tenant",
  default: "default",
  help: "tenant of the trace",
} as const satisfies Flag;

export const TAIL_FLAG = { type: "integer", least: 1, help: "only the last ones" } as const satisfies Flag;

export const DELAY_FLAG = {
  type: "integer",
  least: 0,
  default: 0,
  help: "milliseconds between two events, to follow with the eye",
} as const satisfies Flag;
