import { z } from "zod";
import { eraseFragment } from "../keeping/erase-fragment.ts";
import type { MemoryServices } from "../memory-services.ts";
import { name, principal } from "../schemas.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({ principal, id: name });
const answer = z.object({ erased: z.boolean() });

/** Builds `memory.erase`: no file holds text, vector or digest of the fragment when it has completed (law M7). */
export function eraseFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.erase",
    request,
    answer,
    apply: async (fragment, { principal: { user } }, { rows, now, traceId }) => {
      await eraseFragment(rows, fragment, user, now, traceId);
      return { answer: { erased: true }, events: ["erased"], vectors: { moved: true } };
    },
    after: async ({ store }, { principal: { tenant } }) => await store.purge(tenant),
    whenGone: () => ({ erased: true }),
  });
}
