import type { QueryVector } from "../embed/embedding-models.ts";
import type { MemoryServices } from "../memory-services.ts";
import type { Fallback, FallbackReason } from "./fallback.ts";

const EMBED_MS = 500;

/** The query's vector, or the reason for which words alone are searched. */
export interface PreparedVector {
  readonly vector: QueryVector | undefined;
  readonly fallbacks: readonly Fallback[];
}

/** Returns the vector of a query for the model whose vectors answer in the tenant now. */
export async function prepareVector(
  { models, store, telemetry }: Pick<MemoryServices, "models" | "store" | "telemetry">,
  tenant: string,
  query: string,
  signal: AbortSignal,
): Promise<PreparedVector> {
  const without = (reason: FallbackReason): PreparedVector => {
    const fallback: Fallback = { stage: "embed", reason };
    telemetry.fellBack(fallback);
    return { vector: undefined, fallbacks: [fallback] };
  };
  if (models.current === undefined) return without("not_configured");
  const active = await store.read(tenant, async ({ settings }) => await settings.get("active_model"));
  const embedder = models.get(active ?? models.current.name);
  if (embedder === undefined) return without("model_switching");
  const late = AbortSignal.timeout(EMBED_MS);
  const until = AbortSignal.any([signal, late]);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(until.reason as Error);
  until.addEventListener("abort", end, { once: true });
  try {
    return { vector: await Promise.race([models.query(embedder, query, until), ended]), fallbacks: [] };
  } catch {
    signal.throwIfAborted();
    return without(late.aborted ? "timeout" : "error");
  } finally {
    until.removeEventListener("abort", end);
  }
}
