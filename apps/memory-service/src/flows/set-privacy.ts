import { z } from "zod";
import { rebuildContext } from "../keeping/context.ts";
import type { MemoryServices } from "../memory-services.ts";
import { level, name, principal } from "../schemas.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({ principal, id: name, level });
const answer = z.object({ level, changed: z.boolean() });

/** Builds `memory.set_privacy`: sets the level. Leaving `shared` ends all grants, so that none revives later. */
export function setPrivacyFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.set_privacy",
    request,
    answer,
    apply: async (fragment, { level: wanted, principal: { user } }, { rows, now, traceId }) => {
      if (fragment.level === wanted) return { answer: { level: wanted, changed: false }, events: [] };
      await rows.grants.clear(fragment.seq);
      await rows.fragments.setSight(fragment.seq, wanted, "");
      await rebuildContext(rows, fragment);
      const detail = { from: fragment.level, to: wanted };
      await rows.events.add({
        type: "privacy_changed",
        seq: fragment.seq,
        owner: user,
        actor: user,
        at: now,
        traceId,
        detail,
      });
      return { answer: { level: wanted, changed: true }, events: ["privacy_changed"], vectors: { moved: true } };
    },
  });
}
