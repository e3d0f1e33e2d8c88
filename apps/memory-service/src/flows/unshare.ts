import { z } from "zod";
import { rebuildContext } from "../keeping/context.ts";
import { grantKeyOf } from "../keeping/sight-group.ts";
import type { MemoryServices } from "../memory-services.ts";
import { level, name, principal, tenant } from "../schemas.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({ principal, id: name, grantee: z.object({ tenant, user: name }).readonly() });
const answer = z.object({ level, changed: z.boolean() });

/** Builds `memory.unshare`: takes a grant back. Nothing answered after it has the fragment (law M5). */
export function unshareFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.unshare",
    request,
    answer,
    apply: async (fragment, { grantee, principal: { user } }, { rows, now, traceId }) => {
      const removed = await rows.grants.remove(fragment.seq, grantee);
      if (!removed) return { answer: { level: fragment.level, changed: false }, events: [] };
      await rows.fragments.setSight(fragment.seq, fragment.level, grantKeyOf(await rows.grants.of(fragment.seq)));
      await rebuildContext(rows, fragment);
      const detail = { tenant: grantee.tenant, user: grantee.user };
      await rows.events.add({
        type: "unshared",
        seq: fragment.seq,
        owner: user,
        actor: user,
        at: now,
        traceId,
        detail,
      });
      return { answer: { level: fragment.level, changed: true }, events: ["unshared"], vectors: { moved: true } };
    },
    after: async ({ store, clock }, { principal: owner, grantee }) => {
      if (owner.tenant === grantee.tenant) return;
      const now = clock.epochNow();
      const has = await store.read(owner.tenant, async ({ grants }) => await grants.anyFor(grantee, now));
      if (!has) await store.catalog.dropShare(owner.tenant, grantee);
    },
  });
}
