import type { MemoryServices } from "../memory-services.ts";

const MISSING_AT_ONCE = 10_000;
const SWITCH_SHARE = 0.99;

/**
 * Leads a tenant to the current model without downtime: adds jobs for fragments without a vector of it, lets the old
 * vectors answer until 99 % are new, then switches and deletes the old. Spaces are never mixed. Returns the model whose
 * jobs are to be done.
 */
export async function switchModel(
  { store, models, clock, index }: Pick<MemoryServices, "store" | "models" | "clock" | "index">,
  tenant: string,
): Promise<string | undefined> {
  const current = models.current?.name;
  if (current === undefined) return undefined;
  const switched = await store.write(tenant, async (rows) => {
    const active = await rows.settings.get("active_model");
    if (active === current) return false;
    await rows.jobs.addMissing(current, clock.epochNow(), MISSING_AT_ONCE);
    const [have, total] = [await rows.vectors.count(current), await rows.fragments.count()];
    if (active !== undefined && have < total * SWITCH_SHARE) return false;
    await rows.settings.set("active_model", current);
    await rows.jobs.removeOthers(current);
    await rows.vectors.removeOthers(current);
    await rows.settings.bumpVectors();
    return true;
  });
  if (switched) index.dropTenant(tenant);
  return current;
}
