import { Admission } from "./admission/admission.ts";
import { Budgets } from "./context/budgets.ts";
import { Chunks } from "./context/chunks.ts";
import { Effects } from "./context/effects.ts";
import { Fetching } from "./context/fetching.ts";
import { Logs } from "./context/logs.ts";
import { Pausing } from "./context/pausing.ts";
import { Playbooks } from "./context/playbooks.ts";
import { Signalling } from "./context/signalling.ts";
import type { PartMakers } from "./parts.ts";
import { Acceptance } from "./results/acceptance.ts";
import { KeptOutcomes } from "./results/kept-outcomes.ts";
import { Rookery } from "./results/rookery.ts";

/** Parts behind the methods of flows and contexts, which no bundler can leave out. */
export const methodParts: PartMakers = {
  acceptance: (engine) => new Acceptance(engine),
  admission: (engine) => new Admission(engine),
  budgets: (engine) => new Budgets(engine),
  chunks: (engine) => new Chunks(engine),
  effects: (engine) => new Effects(engine),
  fetching: (engine) => new Fetching(engine),
  logs: (engine) => new Logs(engine),
  keptOutcomes: (engine) => new KeptOutcomes(engine),
  pausing: (engine) => new Pausing(engine),
  playbooks: (engine) => new Playbooks(engine),
  rookery: (engine) => new Rookery(engine),
  signalling: (engine) => new Signalling(engine),
};
