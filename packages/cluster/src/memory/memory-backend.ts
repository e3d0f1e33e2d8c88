import { MemoryCheckpointStore } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { MemoryIntake, type MemoryIntakeOptions } from "./memory-intake.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import { MemoryResultStore } from "./memory-result-store.ts";
import { MemoryWire } from "./memory-wire.ts";

/**
 * A backend in this process, whose state ends with it: for tests, experiments and, through `hostBackend`, clusters of
 * forked processes.
 */
export function memoryBackend(options: MemoryIntakeOptions = {}): ClusterBackend {
  const registry = new MemoryRegistry();
  const intake = new MemoryIntake(options);
  const results = new MemoryResultStore();
  return {
    checkpoints: new MemoryCheckpointStore(),
    intake,
    results,
    registry,
    wire: new MemoryWire(),
    limits: { offerBytes: 16_777_216 },
    figures: async () => ({ intakeFill: intake.fill, keptResults: results.count, replicasBehind: 0 }),
    [Symbol.asyncDispose]: async () => registry[Symbol.dispose](),
  };
}
