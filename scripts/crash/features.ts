import type { Feature } from "./feature.ts";
import { cancels } from "./features/cancels.ts";
import { deadlines } from "./features/deadlines.ts";
import { retries } from "./features/retries.ts";
import { signals } from "./features/signals.ts";
import type { FeatureName } from "./jobs.ts";

/** All features, by the name of their jobs' entry node. */
export const features: Readonly<Record<FeatureName, Feature>> = { cancels, deadlines, retries, signals };
