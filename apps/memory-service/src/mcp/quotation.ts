import { z } from "zod";
import type { Fragment } from "../fragment.ts";
import { LEVELS } from "../fragment.ts";

/** Schema of a {@link Quotation}. */
export const quotation = z.object({
  id: z.string(),
  text: z.string(),
  owner: z.string(),
  source: z.string().optional(),
  conversation: z.string().optional(),
  level: z.enum(LEVELS),
  saidAt: z.string().describe("ISO 8601"),
});

/** A fragment as it is quoted to a model. */
export type Quotation = z.infer<typeof quotation>;

/** Makes the quotation of a fragment. */
export function quotationOf({ id, text, owner, source, conversation, level, saidAt }: Fragment): Quotation {
  return {
    id,
    text,
    owner,
    ...(source !== undefined && { source }),
    ...(conversation !== undefined && { conversation }),
    level,
    saidAt: new Date(saidAt).toISOString(),
  };
}

/** Writes a quotation as one line: as JSON text, so that nothing in it looks like the line's own words. */
export function quoted({ id, text, owner, source, level, saidAt }: Quotation): string {
  return `${id} · ${saidAt.slice(0, 10)} · ${source ?? owner} · ${level}: ${JSON.stringify(text)}`;
}
