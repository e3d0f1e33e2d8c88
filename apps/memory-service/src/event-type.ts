/** Types of the facts in a tenant's event log. The CHECK constraints of the stores are generated from this list. */
export const MEMORY_EVENT_TYPES = [
  "created",
  "recalled",
  "auto_recalled",
  "reinforced",
  "privacy_changed",
  "embedded",
  "embedding_failed",
  "shared",
  "unshared",
  "feedback_classified",
  "superseded",
  "erased",
] as const;

/** Type of a fact in the event log. */
export type MemoryEventType = (typeof MEMORY_EVENT_TYPES)[number];
