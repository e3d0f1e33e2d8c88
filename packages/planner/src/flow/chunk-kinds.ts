import type { Json } from "../plan/json.ts";

declare module "penguiflow" {
  interface ChunkKinds {
    /** A piece of the model's reasoning. */
    readonly "planner.reasoning": { readonly delta: string };
    /** Progress of a call of a tool. */
    readonly "planner.progress": { readonly callId: string; readonly data: Json };
  }
}
