/** Types of a handler as the compiler infers them. `tsc -b` checks this file; it is never run. */
import { aguiHandler } from "@penguiflow/ag-ui";
import { createPlanner } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { create, payloadNode } from "penguiflow";
import { z } from "zod";

const caller = () => ({ tenant: "acme" });
const ofText = create(payloadNode("of", (text: string) => text).to());
const ofNumber = create(payloadNode("of", (count: number) => count).to());
const planner = createPlanner({ name: "p", model: scriptedModel([]), output: z.object({ sum: z.number() }) });

aguiHandler(planner, { caller, input: ({ messages }) => `${messages.length}` });
aguiHandler(ofText, { caller });
aguiHandler(ofText.start(), { caller, text: String });
aguiHandler(ofNumber, { caller, input: async ({ messages }) => messages.length });

// @ts-expect-error a flow that takes no text needs an input
aguiHandler(ofNumber, { caller });
// @ts-expect-error an input that the flow does not take
aguiHandler(ofNumber, { caller, input: () => "one" });
// @ts-expect-error a request must have a caller
aguiHandler(ofText, {});
// @ts-expect-error a planner has no text of results
aguiHandler(planner, { caller, text: String });
