// A loop whose steps append to the log of their trace, on a checkpoint store that counts what it is given.
import { setTimeout as sleep } from "node:timers/promises";
import { durable } from "penguiflow/durable";
import { core } from "./core.ts";
import { countedCheckpoints } from "./counted-checkpoints.ts";
import type { LogRig, LogSetup } from "./workloads/log.ts";

interface Step {
  readonly step: number;
  /** Position after the last item of the log. */
  readonly upTo: number;
}

interface Call {
  readonly step: number;
  readonly call: number;
}

/** Builds a rig that runs the loop in a flow of its own each time. */
export async function log({ steps, calls, bytes }: LogSetup): Promise<LogRig> {
  return {
    note: "bytes of the batches as they are given to the store",
    close: async () => {},
    async loop(hasEffects) {
      const checkpoints = countedCheckpoints(new core.MemoryCheckpointStore());
      const text = "x".repeat(bytes - 2);
      const start = core.payloadNode("start", (first: Step) => first);
      const think = core.payloadNode("think", async ({ step, upTo }: Step, ctx): Promise<Call | undefined> => {
        if (step === steps) {
          await ctx.emit((await ctx.log.read(upTo)).length as never, { to: core.ROOKERY });
          return undefined;
        }
        for (let call = 0; call < calls; call += 1) await ctx.emit({ step, call });
        return undefined;
      });
      const tool = core.payloadNode({ name: "tool", policy: { ordering: "none" } }, async (now: Call, ctx) => {
        const work = async (): Promise<string> => {
          await sleep(now.call + 1);
          return text;
        };
        const said = hasEffects ? await ctx.once("call", work, { keep: "message" }) : await work();
        return { step: now.step, upTo: await ctx.log.append([said]) };
      });
      const gather = core.joinK("gather", calls, { input: core.shape<Step>() });
      const next = core.payloadNode("next", (done: Step[]) => ({
        step: (done[0] as Step).step + 1,
        upTo: Math.max(...done.map(({ upTo }) => upTo)),
      }));
      const flow = core.create(start.to(think), think.to(tool), tool.to(gather), gather.to(next), next.to(think), {
        allowCycles: true,
        durability: durable({ checkpoints }),
      });
      flow.run();
      const items: unknown = await flow.call({ step: 0, upTo: 0 });
      await flow.stop();
      return { written: checkpoints.written, items: items as number };
    },
  };
}
