import type { Admission, AdmissionHost } from "./admission/admission.ts";
import type { Budgets, BudgetsHost } from "./context/budgets.ts";
import type { Chunks, ChunksHost } from "./context/chunks.ts";
import type { Effects, EffectsHost } from "./context/effects.ts";
import type { Fetching, FetchingHost } from "./context/fetching.ts";
import type { Logs, LogsHost } from "./context/logs.ts";
import type { Pausing, PausingHost } from "./context/pausing.ts";
import type { Playbooks, PlaybooksHost } from "./context/playbooks.ts";
import type { Signalling, SignallingHost } from "./context/signalling.ts";
import type { Joining, JoiningHost } from "./delivery/joining.ts";
import type { Acceptance, AcceptanceHost } from "./results/acceptance.ts";
import type { KeptOutcomes, KeptOutcomesHost } from "./results/kept-outcomes.ts";
import type { OutcomeDelivery, OutcomeDeliveryHost } from "./results/outcome-delivery.ts";
import type { Rookery, RookeryHost } from "./results/rookery.ts";

/** Optional parts of a run. */
export interface Parts {
  readonly acceptance: Acceptance;
  readonly admission: Admission;
  readonly budgets: Budgets;
  readonly chunks: Chunks;
  readonly effects: Effects;
  readonly fetching: Fetching;
  readonly joining: Joining;
  readonly logs: Logs;
  readonly keptOutcomes: KeptOutcomes;
  readonly outcomes: OutcomeDelivery;
  readonly pausing: Pausing;
  readonly playbooks: Playbooks;
  readonly rookery: Rookery;
  readonly signalling: Signalling;
}

/** Engine parts that the optional parts call. */
export type PartsHost = AcceptanceHost &
  AdmissionHost &
  BudgetsHost &
  ChunksHost &
  EffectsHost &
  FetchingHost &
  JoiningHost &
  LogsHost &
  KeptOutcomesHost &
  OutcomeDeliveryHost &
  PausingHost &
  PlaybooksHost &
  RookeryHost &
  SignallingHost;

/** Factories of optional parts. A part is created on first use; an omitted one is not bundled. */
export type PartMakers = { readonly [Name in keyof Parts]?: (engine: PartsHost) => Parts[Name] };
