import type { Effects } from "penguiflow";
/** `GET /api/pauses?flow=&thread=&run=` gives `Page<PauseView>`, oldest first, without their tokens. */
export interface PauseView {
  /** Public id: names the pause, and cannot answer it. */
  readonly id: string;
  readonly flow: string;
  readonly runId: string;
  readonly tenant: string;
  readonly thread?: string;
  readonly node: string;
  readonly path: readonly string[];
  /** The first three are questions of a planner, the last is a pause of a handler. */
  readonly kind: "approval" | "input" | "sign-in" | "pause";
  readonly reason: string;
  /** For a sign-in, `{ url }`. */
  readonly payload: unknown;
  readonly tool?: string;
  readonly args?: unknown;
  readonly callId?: string;
  readonly effects?: Effects;
  /** JSON Schema of the answer, or of the arguments for an approval, if known. */
  readonly schema?: unknown;
  readonly since: number;
  readonly expiresAt?: number;
  /** Whether it ends with its process. */
  readonly isVolatile: boolean;
}

/**
 * `POST /api/pauses/:id`, answered 204 once the answer is accepted. For a question of a planner its `Decision`
 * (`{ approved: true, args? }`, `{ approved: false, reason? }` or `{ value }`), for a pause its value.
 */
export interface PauseAnswer {
  readonly value: unknown;
}
