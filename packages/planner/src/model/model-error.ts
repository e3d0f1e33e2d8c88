import type { PlanErrorCode } from "../plan/plan-end.ts";

/** Fields from which a {@link ModelError} is made. */
export interface ModelErrorInit {
  readonly code: Extract<PlanErrorCode, "MODEL_FAILED" | "MODEL_OUTPUT_CUT" | "CONTEXT_TOO_LONG">;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly text?: string | undefined;
  readonly cause?: unknown;
}

/** A model call that gave no turn. */
export class ModelError extends Error {
  override readonly name: string = "ModelError";
  readonly code: ModelErrorInit["code"];
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds that the provider asks to wait before the next call. */
  readonly retryAfterMs: number | undefined;
  /** Text that the model had said when its stream broke. */
  readonly text: string | undefined;

  constructor(init: ModelErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.retryable = init.retryable;
    this.retryAfterMs = init.retryAfterMs;
    this.text = init.text;
  }
}
