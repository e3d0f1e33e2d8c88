import { type CheckpointStores, on, waitingOn } from "../penguiflow-durable.ts";
import { agentOn } from "../penguiflow-agent.ts";
import { inFiles } from "../sqlite.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";

export const checkpointStores: CheckpointStores = inFiles("normal", "survives the end of the process");

export const durable = on(checkpointStores, "sqlite-normal");

export const waitingDurable = waitingOn(checkpointStores);

/** Builds a planner whose runs are stored in a file. */
export async function agent(setup: AgentSetup): Promise<AgentRig | string> {
  const place = await checkpointStores.make();
  if (typeof place === "string") return place;
  const { checkpoints, [Symbol.asyncDispose]: close } = await checkpointStores.open(place.address);
  return agentOn(setup, checkpoints, async () => {
    await close();
    await place.remove();
  });
}
