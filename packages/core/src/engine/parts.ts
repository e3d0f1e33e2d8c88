import type { Admission, AdmissionHost } from "./admission/admission.ts";
import type { Budgets, BudgetsHost } from "./context/budgets.ts";
import type { Chunks, ChunksHost } from "./context/chunks.ts";
import type { Effects, EffectsHost } from "./context/effects.ts";
import type { Fetching, FetchingHost } from "./context/fetching.ts";
import type { Logs, LogsHost } from "./context/logs.ts";
import type { Pausing, PausingHost } from "./context/pausing.ts";
import type { Playbooks, PlaybooksHost } from "./context/playbooks.ts";
import type { Signalling, SignallingHost } from "./context/signalling.ts";
import type { StoredCalls, StoredCallsHost } from "./context/stored-calls.ts";
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
  readonly storedCalls: StoredCalls;
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
  SignallingHost &
  StoredCallsHost;

/** Factories of optional parts. A part is created on first use; an omitted one is not bundled. */
export type PartMakers = { readonly [Name in keyof Parts]?: (engine: PartsHost) => Parts[Name] };

const provided: { -readonly [Name in keyof PartMakers]: PartMakers[Name] } = {};

/**
 * Provides parts to every flow of the process. Call it in the function by which a program asks for them, never while a
 * module loads: bundlers keep a part only where they keep such a function.
 */
export function provideParts(makers: PartMakers): void {
  Object.assign(provided, makers);
}

/** Returns the factory of a part, if a function that needs the part has been called. */
export function providedPart<Name extends keyof Parts>(name: Name): PartMakers[Name] {
  return provided[name];
}
