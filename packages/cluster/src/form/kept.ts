import type { KeptResult } from "penguiflow/adapter";
import { fromBytes } from "./text.ts";

/** The body of a stored result, with its revision. */
export type Kept<Body> = Body & { readonly revision: number };

/** Reads a stored result. */
export const readKept = <Body extends object>({ body, revision }: KeptResult): Kept<Body> => ({
  ...fromBytes<Body>(body),
  revision,
});
