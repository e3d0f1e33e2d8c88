import type { Message } from "../../packages/core/src/index.ts";
import type { Payload } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

type Core = typeof import("../../packages/core/src/index.ts");

// The runner says whether the package is built; its source is the same code with the types blanked out.
const entry = process.env["BENCH_PENGUIFLOW"] === "built" ? "dist/index.js" : "src/index.ts";
const core: Core = await import(new URL(`../../packages/core/${entry}`, import.meta.url).href);

/** The runtime as it comes: default options, nothing switched off. */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const chain = Array.from({ length: nodes }, (_, index) =>
    core.node(`n${index + 1}`, async (message: Message<Payload>) => {
      tally.hops += 1;
      return message;
    }),
  );
  const flow = core.create(...chain.map((node, index) => node.to(...chain.slice(index + 1, index + 2))));
  flow.run();
  return {
    request: (payload) => flow.call(payload, { tenant: "bench" }),
    async close() {
      await flow.stop();
    },
  };
}
