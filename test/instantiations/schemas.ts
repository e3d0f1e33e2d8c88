import { z } from "zod";
import * as planner from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";

/** Three schemas and a model, from which the other fixture makes a planner. */
export const search = z.object({ query: z.string(), limit: z.number().optional() });
export const book = z.object({ seat: z.string(), on: z.enum(["today", "tomorrow"]) });
export const mail = z.object({ to: z.string(), text: z.string() });
export const answer = z.object({ seat: z.string(), price: z.number() });
export const model = scriptedModel(["Done"]);
export { planner };
