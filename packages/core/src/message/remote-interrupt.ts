/** How another agent's answer stands: it is complete, or its task waits for its caller. A failure is an error. */
export type RemoteState = "completed" | "input-required" | "auth-required";

/**
 * What a remote node with `interrupts: "send"` sends in place of a result when the agent's task waits for its
 * caller. Plain data: it may be kept, routed by `kind`, and answered with a call that continues its task.
 */
export interface RemoteInterrupt {
  readonly kind: Exclude<RemoteState, "completed">;
  /** What the agent asks for. */
  readonly prompt: unknown;
  readonly skill: string;
  readonly agentUrl: string;
  readonly taskId: string | undefined;
  readonly contextId: string | undefined;
}
