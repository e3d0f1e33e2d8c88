import { z } from "zod";
import { MemoryError, notFound } from "../memory-error.ts";
import type { MemoryServices } from "../memory-services.ts";
import { name, principal } from "../schemas.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({ principal, id: name, by: name });
const answer = z.object({ supersededBy: name, changed: z.boolean() });

/** Builds `memory.supersede`: a newer fragment hides an older one from searches; the older stays readable. */
export function supersedeFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.supersede",
    request,
    answer,
    apply: async (older, { by, principal: { user } }, { rows, now, traceId }) => {
      const newer = await rows.fragments.ofOwner(user, by);
      if (newer === undefined) throw notFound();
      if (older.supersededBy === by) return { answer: { supersededBy: by, changed: false }, events: [] };
      // the order in which fragments were kept rules out circles
      if (newer.seq <= older.seq)
        throw new MemoryError("INVALID", "The fragment that supersedes must be the newer one", {
          issues: [{ path: ["by"], message: "expected a fragment kept later" }],
        });
      await rows.fragments.setSuperseded(older.seq, newer.seq);
      await rows.events.add({ type: "superseded", seq: older.seq, owner: user, actor: user, at: now, traceId });
      return { answer: { supersededBy: by, changed: true }, events: ["superseded"], vectors: { moved: true } };
    },
  });
}
