import type { Json } from "../plan/json.ts";

declare module "penguiflow" {
  interface ChunkKinds {
    /** A piece of the model's reasoning. */
    readonly "planner.reasoning": { readonly delta: string };
    /** How far a call of a tool has come. */
    readonly "planner.progress": { readonly callId: string; readonly data: Json };
  }
}
