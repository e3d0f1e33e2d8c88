import type { PlanBudget } from "../plan/budget.ts";

declare module "penguiflow" {
  interface AppEvents {
    /** A run has begun. */
    readonly "app.planner.begin": {
      readonly planner: string;
      readonly path: readonly string[];
      readonly thread?: string;
    };
    /** A model call has been made; without what was said. */
    readonly "app.planner.step": {
      readonly step: number;
      readonly model: string;
      readonly provider: string;
      readonly tokensIn: number;
      readonly tokensOut: number;
      readonly costUsd: number;
      readonly ms: number;
    };
    /** An attempt of a tool call is over; without arguments and result. */
    readonly "app.planner.result": {
      readonly callId: string;
      readonly tool: string;
      /** Kind of the result. */
      readonly outcome: string;
      readonly code?: string;
      readonly ms: number;
    };
    /** A run is about to end. A cancel and a deadline tell none. */
    readonly "app.planner.end": {
      readonly status: string;
      readonly code?: string;
      readonly which?: string;
      readonly spent: PlanBudget;
    };
  }
}
