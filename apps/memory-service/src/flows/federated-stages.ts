import { shape } from "penguiflow";
import { z } from "zod";
import type { FederatedRecall } from "../retrieval/answer-sources.ts";
import type { GatheredSource } from "../retrieval/gather-sources.ts";
import type { PreparedQuery } from "./retrieve-stages.ts";

/** The query and the tenants that are asked. */
export interface PlannedQuery extends PreparedQuery {
  readonly tenants: readonly string[];
}

/** The candidates of each source. */
export interface GatheredQuery extends PreparedQuery {
  readonly sources: readonly GatheredSource[];
}

/** The order over all sources: rank scores by tenant and id. */
export interface FusedQuery extends GatheredQuery {
  readonly scores: ReadonlyMap<string, number>;
}

/** The answer, and the count of revocations at its check. */
export interface FederatedResponse {
  readonly recall: FederatedRecall;
  readonly checkedAt: number;
}

// stages inside the flow hold vectors: the compiler alone checks their types
export const plannedQuery = shape<PlannedQuery>();
export const gatheredQuery = shape<GatheredQuery>();
export const fusedQuery = shape<FusedQuery>();
/** The answer, checked for the parts that are counted on. */
export const federatedResponse = z.custom<FederatedResponse>(
  (value) => typeof value === "object" && value !== null && "recall" in value && "checkedAt" in value,
);
