import { z } from "zod";
import { FEEDBACK_KINDS, type FeedbackKind } from "../feedback/classifier.ts";
import { LEVELS, ROLES } from "../fragment.ts";
import { FALLBACK_REASONS } from "../retrieval/fallback.ts";
import { instant, name, principal } from "../schemas.ts";

const fragmentInput = z.object({
  text: z.string().min(1),
  conversation: name.optional(),
  level: z.enum(LEVELS),
  role: z.enum(ROLES),
  source: z.string().optional(),
  saidAt: instant.optional(),
  supersedes: name.optional(),
});

/** The texts that a caller asks to keep. */
export const ingestRequest = z.object({
  principal,
  fragments: z.array(fragmentInput).min(1).readonly(),
  idempotencyKey: name.optional(),
});

/** Digits of the digest by which equal texts are found. */
export const HASH_LENGTH = 32;

const normalizedFragment = fragmentInput.extend({
  id: name,
  hash: z.string().length(HASH_LENGTH),
  saidAt: instant,
});

/** Fragments with ids, digests and instants, texts composed and split. */
export const normalizedIngest = z.object({
  principal,
  fragments: z.array(normalizedFragment).min(1).readonly(),
  idempotencyKey: name.optional(),
  body: z.string(),
  now: instant,
});

/** The same, with the feedback that the turn gives about earlier recalls. */
export const classifiedIngest = normalizedIngest.extend({
  feedback: z.object({
    kind: z.enum(FEEDBACK_KINDS),
    /** Fragments that it is about. */
    about: z.array(name).readonly(),
    fallback: z.enum(FALLBACK_REASONS).optional(),
  }),
});

const kept = z.object({
  ids: z.array(name).readonly(),
  /** Fragments of the owner that say the same at the same level. */
  same: z.array(name).readonly(),
  feedback: z.enum(FEEDBACK_KINDS),
});

/** The rows that were written. */
export const persistedIngest = z.object({ principal, kept, isRepeated: z.boolean(), hasJobs: z.boolean() });

/** The result of `ingest`. */
export interface IngestResponse {
  /** The first of `ids`. */
  readonly id: string;
  /** Whether it was kept now, and not by an earlier request with the same key. */
  readonly created: boolean;
  /** All fragments of the request, in order. */
  readonly ids: readonly string[];
  /** Fragments of the owner that say the same at the same level. */
  readonly same: readonly string[];
  /** Feedback that the turn gives about what was recalled in its conversation. */
  readonly feedback: FeedbackKind;
}

/** The answer to the caller. */
export const ingestResponse: z.ZodType<IngestResponse> = kept.extend({ id: name, created: z.boolean() });

/** The answer as remembered under the request's key. */
export const keptIngest = kept;

export type IngestRequest = z.infer<typeof ingestRequest>;
export type NormalizedIngest = z.infer<typeof normalizedIngest>;
export type ClassifiedIngest = z.infer<typeof classifiedIngest>;
export type PersistedIngest = z.infer<typeof persistedIngest>;
