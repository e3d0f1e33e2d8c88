/**
 * The identity on whose behalf a run acts. It comes from the caller of `run`, never from the model, a tool or a
 * request's body. A missing user or thread means none.
 */
export interface Caller {
  readonly tenant: string;
  readonly user?: string | undefined;
  readonly thread?: string | undefined;
  readonly runId: string;
}
