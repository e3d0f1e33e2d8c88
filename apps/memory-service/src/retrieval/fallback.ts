/** Reasons for which a stage took its second way. The list is closed (law M11). */
export const FALLBACK_REASONS = [
  "not_configured",
  "not_rolled_out",
  "model_switching",
  "timeout",
  "error",
  "bad_scores",
] as const;

/** Reason for which a stage took its second way. */
export type FallbackReason = (typeof FALLBACK_REASONS)[number];

/** Stages that have a second way. */
export const FALLBACK_STAGES = ["embed", "rerank", "classify"] as const;

/** A stage that took its second way. */
export interface Fallback {
  /** `embed`: found by words alone; `rerank`: ordered by the heuristic; `classify`: judged by the rules. */
  readonly stage: (typeof FALLBACK_STAGES)[number];
  readonly reason: FallbackReason;
}
