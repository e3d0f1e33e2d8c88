import { shape } from "penguiflow";
import { z } from "zod";
import { principal } from "../schemas.ts";
import type { StoredFragment } from "../store/fragment-rows.ts";
import type { ClaimedJob } from "../store/job-rows.ts";

const job = z.object({ id: z.int(), seq: z.int(), version: z.int(), attempts: z.int() });
/** Claimed jobs of one model. */
export const embeddingRequest = z.object({ principal, model: z.string().min(1), jobs: z.array(job).min(1).readonly() });
/** Counts of a batch: fragments with a vector now, jobs whose fragment is gone. */
export const embeddingResponse = z.object({ embedded: z.int().min(0), dropped: z.int().min(0) });

export type EmbeddingRequest = z.infer<typeof embeddingRequest>;
export type EmbeddingResponse = z.infer<typeof embeddingResponse>;

/** The claimed fragments that are still there. */
export interface Loaded extends EmbeddingRequest {
  readonly fragments: readonly { readonly job: ClaimedJob; readonly fragment: StoredFragment }[];
}

/** Their vectors. */
export interface Embedded extends Loaded {
  /** Stored forms, in the order of the fragments. */
  readonly vectors: readonly Uint8Array[];
}

/** The stored vectors. */
export interface Indexed extends Embedded {
  /** Fragments that were still there. */
  readonly written: readonly StoredFragment[];
}

export const loadedStage = shape<Loaded>();
export const embeddedStage = shape<Embedded>();
export const indexedStage = shape<Indexed>();
