/**
 * Effects of a call outside of the run. A call that writes begins at most once and is never repeated by itself; the others are
 * tried again after a failure.
 */
export type Effects = "reads" | "idempotent" | "writes";
