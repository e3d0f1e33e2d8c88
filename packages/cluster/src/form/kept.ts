import type { KeptResult } from "penguiflow/adapter";
import { fromBytes } from "./text.ts";

/** The body of a stored result, with its revision. */
export type Kept<Body> = Body & { readonly revision: number };

/** Reads a stored result. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- each caller knows what is stored under its key
export const readKept = <Body extends object>({ body, revision }: KeptResult): Kept<Body> => ({
  ...fromBytes<Body>(body),
  revision,
});
