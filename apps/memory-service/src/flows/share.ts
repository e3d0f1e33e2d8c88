import { z } from "zod";
import type { Level } from "../fragment.ts";
import { rebuildContext } from "../keeping/context.ts";
import { grantKeyOf } from "../keeping/sight-group.ts";
import { MemoryError } from "../memory-error.ts";
import type { MemoryServices } from "../memory-services.ts";
import { instant, level, name, principal, tenant } from "../schemas.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({
  principal,
  id: name,
  grantee: z.object({ tenant, user: name }).readonly(),
  expiresAt: instant.optional(),
});
const SHARED: Level = "shared";
const answer = z.object({ level, changed: z.boolean() });

/** Builds `memory.share`: grants sight to one user. A private fragment becomes `shared`. */
export function shareFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.share",
    request,
    answer,
    apply: async (
      fragment,
      { grantee, expiresAt, principal: { user } },
      { rows, now, traceId, services: { limits } },
    ) => {
      if (fragment.level === "tenant")
        throw new MemoryError(
          "LEVEL_CONFLICT",
          'Every user of the tenant sees the fragment; set its level to "shared" first',
        );
      const before = await rows.grants.of(fragment.seq);
      const known = before.find((grant) => grant.tenant === grantee.tenant && grant.user === grantee.user);
      if (known !== undefined && known.expiresAt === expiresAt)
        return { answer: { level: SHARED, changed: false }, events: [] };
      if (known === undefined && before.length >= limits.grants)
        throw new MemoryError("TENANT_LIMIT", `A fragment has at most ${limits.grants} grants`);
      await rows.grants.put(fragment.seq, { ...grantee, createdAt: now, expiresAt });
      await rows.fragments.setSight(fragment.seq, "shared", grantKeyOf(await rows.grants.of(fragment.seq)));
      await rebuildContext(rows, fragment);
      const log = { seq: fragment.seq, owner: user, actor: user, at: now, traceId };
      if (fragment.level === "private")
        await rows.events.add({ ...log, type: "privacy_changed", detail: { from: "private", to: "shared" } });
      await rows.events.add({ ...log, type: "shared", detail: { tenant: grantee.tenant, user: grantee.user } });
      return { answer: { level: SHARED, changed: true }, events: ["shared"], vectors: { moved: true } };
    },
    // the hint only says where to ask; the grant decides, so that a lost hint loses no right for good
    after: async ({ store }, { principal: owner, grantee }) => {
      if (owner.tenant !== grantee.tenant) await store.catalog.noteShare(owner.tenant, grantee);
    },
  });
}
