import type { MemoryServices } from "../memory-services.ts";
import { autoRetrieveFlow } from "./auto-retrieve.ts";
import { embeddingFlow } from "./embedding.ts";
import { eraseFlow } from "./erase.ts";
import { federatedQueryFlow } from "./federated-query.ts";
import { feedbackFlow } from "./feedback.ts";
import { ingestFlow } from "./ingest.ts";
import { reinforceFlow } from "./reinforce.ts";
import { setPrivacyFlow } from "./set-privacy.ts";
import { shareFlow } from "./share.ts";
import { supersedeFlow } from "./supersede.ts";
import { unshareFlow } from "./unshare.ts";

/** Builds every flow of the service, each once. */
export function allFlows(services: MemoryServices) {
  return {
    ingest: ingestFlow(services),
    autoRetrieve: autoRetrieveFlow(services),
    embedding: embeddingFlow(services),
    reinforce: reinforceFlow(services),
    setPrivacy: setPrivacyFlow(services),
    share: shareFlow(services),
    unshare: unshareFlow(services),
    erase: eraseFlow(services),
    supersede: supersedeFlow(services),
    feedback: feedbackFlow(services),
    federatedQuery: federatedQueryFlow(services),
  };
}

/** The flows of the service. */
export type AllFlows = ReturnType<typeof allFlows>;
