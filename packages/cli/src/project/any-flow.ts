import type { Flow } from "penguiflow";

/** A flow of whatever types. */
export type AnyFlow = Flow<unknown, unknown>;
