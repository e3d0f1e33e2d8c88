import { errorPayload } from "penguiflow";
import type { Registry } from "penguiflow/adapter";
import type { ClusterSettings } from "../worker/settings.ts";
import { sleep } from "./machine.ts";

/** Milliseconds after which a registry that cannot be read is tried again. */
const RETRY_MS = 250;

/** Watches values of the registry, however long it takes until they can be read. Resolves when they are told. */
export async function watch(
  { backend, logger, machine }: Pick<ClusterSettings, "backend" | "logger" | "machine">,
  prefix: string,
  onChange: Parameters<Registry["watch"]>[1],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await backend.registry.watch(prefix, onChange, signal);
      return;
    } catch (error) {
      logger.warn("registry_not_read", { prefix, error: errorPayload(error) });
      await sleep(machine.clock, RETRY_MS, signal);
    }
  }
}
