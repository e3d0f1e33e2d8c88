import { Envelope, type Payload } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

/** The bare async chain: what the language itself costs, with no queue, no trace and no way to stop. */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const stages = Array.from({ length: nodes }, () => async (message: Envelope) => {
    tally.hops += 1;
    return message;
  });
  return {
    async request(payload: Payload) {
      let message = new Envelope(payload);
      for (const stage of stages) message = await stage(message);
      return message.payload;
    },
    async close() {},
  };
}
