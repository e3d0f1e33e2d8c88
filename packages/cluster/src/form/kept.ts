import type { KeptResult, ResultKey, ResultStore } from "penguiflow/adapter";
import { fromBytes } from "./text.ts";

/** The body of a stored result, with its revision. */
export type Kept<Body> = Body & { readonly revision: number };

/** Reads a stored result. */
export const readKept = <Body extends object>({ body, revision }: KeptResult): Kept<Body> => ({
  ...fromBytes<Body>(body),
  revision,
});

/** Returns the final result of a key; `undefined` where there is none, or one that is not final. */
export async function finalOf<Body extends object>(
  results: ResultStore,
  key: ResultKey,
): Promise<Kept<Body> | undefined> {
  const [kept] = await results.get([key], "latest");
  return kept?.isFinal === true ? readKept<Body>(kept) : undefined;
}
