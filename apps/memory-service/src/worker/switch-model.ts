import type { MemoryServices } from "../memory-services.ts";

const MISSING_AT_ONCE = 10_000;
const SWITCH_SHARE = 0.99;

/**
 * Leads a tenant to the current model without downtime: adds jobs for fragments without a vector of it, lets the old
 * vectors answer until 99 % are new, then switches and deletes the old. Spaces are never mixed. Returns whether the
 * current model's vectors answer.
 */
export async function switchModel(
  { store, models, clock, index }: Pick<MemoryServices, "store" | "models" | "clock" | "index">,
  tenant: string,
): Promise<boolean> {
  const current = models.current?.name;
  if (current === undefined) return false;
  const step = await store.write(tenant, async (rows) => {
    const active = await rows.settings.get("active_model");
    if (active === current) return "was there";
    await rows.jobs.addMissing(current, clock.epochNow(), MISSING_AT_ONCE);
    const [have, total] = [await rows.vectors.count(current), await rows.fragments.count()];
    if (active !== undefined && have < total * SWITCH_SHARE) return "on the way";
    await rows.settings.set("active_model", current);
    await rows.jobs.removeOthers(current);
    await rows.vectors.removeOthers(current);
    await rows.settings.bumpVectors();
    return "switched";
  });
  if (step === "switched") index.dropTenant(tenant);
  return step !== "on the way";
}
