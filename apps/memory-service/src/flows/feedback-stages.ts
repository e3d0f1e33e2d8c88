import { z } from "zod";
import { FEEDBACK_KINDS, type FeedbackKind } from "../feedback/classifier.ts";
import { FALLBACK_REASONS } from "../retrieval/fallback.ts";
import { instant, name, principal } from "../schemas.ts";

const about = z.union([
  z.object({ id: name, helpful: z.boolean() }),
  z.object({ conversation: name, text: z.string() }),
]);
/** Feedback about a fragment, or what the user said in a conversation. */
export const feedbackRequest = z.object({ principal, about });
/** The same with its instant, text composed. */
export const normalizedFeedback = feedbackRequest.extend({ now: instant });
/** The same with its kind and the fragments that it is about. */
export const classifiedFeedback = normalizedFeedback.extend({
  kind: z.enum(FEEDBACK_KINDS),
  fragments: z.array(name).readonly(),
  fallback: z.enum(FALLBACK_REASONS).optional(),
});
/** The same with the number of fragments changed. */
export const appliedFeedback = classifiedFeedback.extend({ applied: z.int().min(0) });
/** The effect of feedback. */
export interface FeedbackResponse {
  readonly kind: FeedbackKind;
  /** Number of fragments that it was about. */
  readonly applied: number;
}

/** The answer to the caller. */
export const feedbackResponse: z.ZodType<FeedbackResponse> = z.object({
  kind: z.enum(FEEDBACK_KINDS),
  applied: z.int().min(0),
});

export type FeedbackRequest = z.infer<typeof feedbackRequest>;
export type NormalizedFeedback = z.infer<typeof normalizedFeedback>;
export type ClassifiedFeedback = z.infer<typeof classifiedFeedback>;
export type AppliedFeedback = z.infer<typeof appliedFeedback>;
