import { shape } from "penguiflow";
import { z } from "zod";
import type { RankedCandidate, Candidate } from "../retrieval/candidate.ts";
import { FALLBACK_REASONS, FALLBACK_STAGES } from "../retrieval/fallback.ts";
import type { Recall } from "../retrieval/recall.ts";
import type { SearchQuery } from "../retrieval/search.ts";
import { instant, level, name, principal } from "../schemas.ts";

const filter = z.object({
  conversation: name.optional(),
  level: level.optional(),
  owner: name.optional(),
  since: instant.optional(),
  until: instant.optional(),
});

/** A search by a principal. */
export const retrieveRequest = z.object({
  principal,
  query: z.string().min(1),
  limit: z.int().min(1),
  maxTokens: z.int().min(1),
  within: name.optional(),
  explain: z.boolean(),
  filter,
  /** The event that is logged: an agent's turn, or a search by a person or tool. */
  type: z.enum(["recalled", "auto_recalled"]),
});

const fallbacks = z.array(z.object({ stage: z.enum(FALLBACK_STAGES), reason: z.enum(FALLBACK_REASONS) })).readonly();

export type RetrieveRequest = z.infer<typeof retrieveRequest>;
type Fallbacks = z.infer<typeof fallbacks>;

/** The query as it is searched for. */
export interface PreparedQuery {
  readonly request: RetrieveRequest;
  readonly search: SearchQuery;
  readonly fallbacks: Fallbacks;
}

/** The candidates in the order of their fused ranks. */
export interface FoundCandidates extends PreparedQuery {
  readonly candidates: readonly Candidate[];
}

/** The candidates in their final order. */
export interface RankedCandidates extends PreparedQuery {
  readonly ranked: readonly RankedCandidate[];
  readonly ranker: string;
}

/** The answer, and the count of revocations at its check. */
export interface RetrieveResponse {
  readonly recall: Recall;
  readonly checkedAt: number;
}

// stages inside the flow hold vectors: their types are checked by the compiler alone, ingress and egress by schemas
export const preparedQuery = shape<PreparedQuery>();
export const foundCandidates = shape<FoundCandidates>();
export const rankedCandidates = shape<RankedCandidates>();

/** The answer to the caller: the parts that are counted on, without a copy of each text. */
export const retrieveResponse = z.custom<RetrieveResponse>(
  (value) => typeof value === "object" && value !== null && "recall" in value && "checkedAt" in value,
);
