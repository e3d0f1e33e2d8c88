import type { Feature } from "./feature.ts";
import { cancels } from "./features/cancels.ts";
import { deadlines } from "./features/deadlines.ts";
import { ids } from "./features/ids.ts";
import { intake } from "./features/intake.ts";
import { limits } from "./features/limits.ts";
import { policies } from "./features/policies.ts";
import { rests } from "./features/rests.ts";
import { retries } from "./features/retries.ts";
import { signals } from "./features/signals.ts";
import { turns } from "./features/turns.ts";
import type { FeatureName } from "./jobs.ts";

/** All features, by the name of their jobs' entry node. */
export const features: Readonly<Record<FeatureName, Feature>> = {
  cancels,
  deadlines,
  ids,
  intake,
  limits,
  policies,
  rests,
  retries,
  signals,
  turns,
};
