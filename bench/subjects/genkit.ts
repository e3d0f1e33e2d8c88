import { genkit } from "genkit";
import { disableGenkitOTelInitialization } from "genkit/tracing";
import { Envelope } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

export const library = "genkit";

/**
 * A flow of `nodes` steps, run once per request, without the development server.
 *
 * Telemetry is off: spans go to OpenTelemetry's no-op tracer. No schemas, so nothing is validated;
 * steps close over the message, so their input is not serialised for the span either.
 */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  process.env["GENKIT_ENV"] = "prod";
  disableGenkitOTelInitialization();
  const ai = genkit({});
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const flow = ai.defineFlow("linear", async (input: Envelope) => {
    let message = input;
    for (const name of names) {
      message = await ai.run(name, async () => {
        tally.hops += 1;
        return message;
      });
    }
    return message;
  });
  return {
    request: async (payload) => (await flow(new Envelope(payload))).payload,
    close: () => ai.stopServers(),
  };
}
