export type { MemoryEventType } from "./event-type.ts";
export { MEMORY_EVENT_TYPES } from "./event-type.ts";
export type { Fragment, FragmentDetail, Grant, Level, MemoryEvent, Role } from "./fragment.ts";
export { LEVELS, ROLES } from "./fragment.ts";
export type { MemoryLimits } from "./limits.ts";
export type { InputIssue, MemoryErrorInit } from "./memory-error.ts";
export { MemoryError, MemoryErrorCode } from "./memory-error.ts";
export type { CheckedPrincipal, Principal, Scope } from "./principal.ts";
export { SCOPES } from "./principal.ts";
export type {
  EventsQuery,
  FeedbackInput,
  FilterInput,
  ListQuery,
  NewFragment,
  Page,
  RequestOptions,
  RetrieveQuery,
  WriteOptions,
} from "./requests.ts";

export type { MemoryOptions } from "./memory.ts";
export { Memory, openMemory } from "./memory.ts";
export { MemoryHandle } from "./memory-handle.ts";
export type { NewKey } from "./memory-keys.ts";
export { MemoryKeys } from "./memory-keys.ts";

export type { ErasurePreview } from "./keeping/preview-erasure.ts";
export type { ModelProgress, Queue } from "./keeping/queue-of.ts";
export type { DrawnFlow, DrawnNode } from "./flows/flow-drawings.ts";
export type { ExplainedCandidate, Recall, RecallItem, Searched, Way } from "./retrieval/recall.ts";
export type { Alike, Cut, Why } from "./retrieval/candidate.ts";
export type { Fallback, FallbackReason } from "./retrieval/fallback.ts";
export { FALLBACK_REASONS, FALLBACK_STAGES } from "./retrieval/fallback.ts";
export type { FederatedRecall } from "./retrieval/answer-sources.ts";
export type { SourceStatus } from "./retrieval/gather-sources.ts";
export type { Reranker, Rollout } from "./retrieval/reranker.ts";
export type { FeedbackResponse } from "./flows/feedback-stages.ts";
export type { IngestResponse } from "./flows/ingest-stages.ts";
export type { Classifier, FeedbackKind } from "./feedback/classifier.ts";
export { FEEDBACK_KINDS } from "./feedback/classifier.ts";

export type { Embedder, Vector } from "./embed/embedder.ts";
export type { BusinessEvent } from "./telemetry/business-event.ts";
export type { Measured, MeasureListener, Sample } from "./telemetry/figures.ts";
export type { TelemetryOptions } from "./telemetry/telemetry.ts";
export type { OpenAiCompatibleOptions } from "./embed/open-ai-compatible.ts";
export { hashEmbedder } from "./embed/hash-embedder.ts";
export { openAiCompatible } from "./embed/open-ai-compatible.ts";
export type { TransformersOptions } from "./embed/transformers.ts";
export { transformers } from "./embed/transformers.ts";
