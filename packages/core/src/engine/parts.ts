import type { Chunks, ChunksHost } from "./context/chunks.ts";
import type { Effects, EffectsHost } from "./context/effects.ts";
import type { Fetching, FetchingHost } from "./context/fetching.ts";
import type { Pausing, PausingHost } from "./context/pausing.ts";
import type { Playbooks, PlaybooksHost } from "./context/playbooks.ts";
import type { Joining, JoiningHost } from "./delivery/joining.ts";
import type { Acceptance, AcceptanceHost } from "./results/acceptance.ts";
import type { Rookery, RookeryHost } from "./results/rookery.ts";

/** Parts of a run that many flows never use. */
export interface Parts {
  readonly acceptance: Acceptance;
  readonly chunks: Chunks;
  readonly effects: Effects;
  readonly fetching: Fetching;
  readonly joining: Joining;
  readonly pausing: Pausing;
  readonly playbooks: Playbooks;
  readonly rookery: Rookery;
}

/** The parts of a run that the optional ones call. */
export type PartsHost = AcceptanceHost &
  ChunksHost &
  EffectsHost &
  FetchingHost &
  JoiningHost &
  PausingHost &
  PlaybooksHost &
  RookeryHost;

/** Makes optional parts. A part is made when a run first uses it; one that is left out is not in the bundle either. */
export type PartMakers = { readonly [Name in keyof Parts]?: (engine: PartsHost) => Parts[Name] };
