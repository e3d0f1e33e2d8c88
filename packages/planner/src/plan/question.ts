import type { Json, JsonSchema } from "./json.ts";

/** A question of a run to a person, open until it is answered through its token, expires, or the run ends. */
export interface Question {
  /** Unguessable. Works once, for the tenant of the run, until `expiresAt`. */
  readonly token: string;
  readonly kind: "approval" | "input" | "sign-in";
  readonly reason: string;
  readonly callId: string;
  readonly tool: string;
  readonly args: Json;
  /** Further context for answering; for a sign-in, `{ url }`. */
  readonly payload?: Json | undefined;
  /** Schema of the answer's value, or of the arguments for an approval. */
  readonly schema: JsonSchema;
  /** Epoch milliseconds. */
  readonly expiresAt?: number | undefined;
  /** Names of the planners below the one that was run, outermost first. */
  readonly path: readonly string[];
}

/** An answer: of an approval, with other arguments if the person has changed them; or the value asked for. */
export type Decision =
  | { readonly approved: true; readonly args?: Json | undefined }
  | { readonly approved: false; readonly reason?: string | undefined }
  | { readonly value: Json };

/** The person who answers, named by the program and never by a request's body. */
export interface Answerer {
  readonly tenant: string;
  /** Name or id that is stored with the decision. */
  readonly by: string;
  readonly user?: string | undefined;
}
