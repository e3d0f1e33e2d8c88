import { createFrom, remoteNode, type RemoteTransport, type Schema } from "penguiflow";
import { flowTool, type FlowToolInit } from "./flow-tool.ts";
import type { Tool } from "./tool.ts";

/** A skill of another agent, as a tool. */
export interface RemoteSkillInit<Name extends string = string> extends Omit<
  FlowToolInit<Name, Schema<unknown, unknown>, unknown, unknown>,
  "toInput"
> {
  /** The skill's name at the agent. @defaultValue the tool's name */
  readonly skill?: string | undefined;
}

/** The agent of {@link remoteTools}, and its skills. */
export interface RemoteToolsOptions {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  readonly skills: readonly RemoteSkillInit[];
}

/** Makes tools of another agent's skills, over any transport. The agent is given what is left of the budget. */
export function remoteTools({ transport, agentUrl, skills }: RemoteToolsOptions): Tool[] {
  return skills.map(({ skill, ...init }) => {
    const remote = remoteNode(init.name, { transport, agentUrl, skill: skill ?? init.name });
    return flowTool(createFrom<unknown>([remote.to()], { name: init.name }), init);
  });
}
