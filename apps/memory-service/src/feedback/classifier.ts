/** Kinds of feedback that a turn can give about what was recalled. */
export const FEEDBACK_KINDS = ["confirmed", "corrected", "none"] as const;

/** Kind of feedback. */
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number];

/** Judges whether a turn confirms or corrects recalled texts. Port for a model. */
export interface Classifier {
  /** Name shown in events. */
  readonly name: string;
  /** Returns the kind of feedback that `text` gives about the recalled texts. */
  classify(text: string, recalled: readonly string[], signal: AbortSignal): Promise<FeedbackKind>;
}

const CORRECTING =
  /\b(?:actually|incorrect|that's wrong|that is wrong|thats wrong|not true|not correct|no longer|not anymore|wrong|correction|you misremember\w*|outdated)\b|^(?:no|nope)\b/i;
const CONFIRMING =
  /\b(?:exactly|correct|that's right|that is right|you're right|you are right|precisely|spot on|good memory|as i said)\b|^(?:yes|yep|yeah|right)\b/i;

/** Judges a turn by its words: a correction wins over a confirmation. */
export function classifyByRules(text: string): FeedbackKind {
  if (CORRECTING.test(text)) return "corrected";
  return CONFIRMING.test(text) ? "confirmed" : "none";
}

/** Returns the reinforcement that a kind stands for, from -1 to 1. */
export function valueOf(kind: FeedbackKind): number {
  return { confirmed: 0.5, corrected: -0.8, none: 0 }[kind];
}
