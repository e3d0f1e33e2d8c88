import { followChange, type MemoryServices } from "../memory-services.ts";
import type { CheckedPrincipal } from "../principal.ts";
import { eraseFragment } from "./erase-fragment.ts";

const AT_ONCE = 200;

/** Erases all fragments of a user, in steps, and everything else that is kept of them; returns the number. */
export async function eraseUser(services: MemoryServices, { tenant, user }: CheckedPrincipal): Promise<number> {
  const { store, clock } = services;
  let erased = 0;
  for (;;) {
    const now = clock.epochNow();
    const { count, mark } = await store.write(tenant, async (rows) => {
      const fragments = await rows.fragments.ofUser(user, AT_ONCE);
      for (const fragment of fragments) await eraseFragment(rows, fragment, user, now, "erase-user");
      await rows.requests.forgetUser(user);
      return { count: fragments.length, mark: await rows.settings.bumpVectors() };
    });
    followChange(services, { tenant, mark, moved: true });
    erased += count;
    if (count < AT_ONCE) break;
  }
  await store.purge(tenant);
  return erased;
}
