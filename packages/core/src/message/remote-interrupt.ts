/** State of another agent's answer: complete, or its task waits for its caller. A failure is an error. */
export type RemoteState = "completed" | "input-required" | "auth-required";

/**
 * A remote node with `interrupts: "send"` sends this in place of a result when the agent's task waits for its caller.
 * It is plain data: store it, route it by `kind`, and answer it with a call that continues its task.
 */
export interface RemoteInterrupt {
  readonly kind: Exclude<RemoteState, "completed">;
  /** The agent's question. */
  readonly prompt: unknown;
  readonly skill: string;
  readonly agentUrl: string;
  readonly taskId: string | undefined;
  readonly contextId: string | undefined;
}
