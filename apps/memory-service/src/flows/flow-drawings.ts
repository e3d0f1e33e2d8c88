import { type EdgeJson, OPEN_SEA, ROOKERY } from "penguiflow";
import type { MemoryCore } from "../memory-core.ts";
import type { CheckedPrincipal } from "../principal.ts";

/** A node of a drawing. */
export interface DrawnNode {
  readonly name: string;
  /** Effects of its handler on the world: `none`, `reads`, `idempotent` or `writes`. */
  readonly effects: string;
  /** Milliseconds that an attempt may take. @defaultValue no limit of its own */
  readonly timeoutMs?: number | undefined;
  /** Attempts after a failed one. */
  readonly retries: number;
  /** Whether a failure becomes a value, and the request goes on. */
  readonly hasFallback: boolean;
  /** Attempts of the principal's requests that succeeded. */
  readonly done: number;
  /** Attempts of the principal's requests that failed or took too long. */
  readonly failed: number;
  /** Times that the second way was taken. */
  readonly fellBack: number;
  /** Mean of the attempts that succeeded, in milliseconds. @defaultValue none has */
  readonly meanMs?: number | undefined;
}

/** A flow, and counts of the principal's own requests since the process began. */
export interface DrawnFlow {
  readonly name: string;
  readonly nodes: readonly DrawnNode[];
  /** Pairs of names; the edges from outside and to outside are left out. */
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  /** Whether the worker calls it for all users at once: its requests are no principal's, and are not counted. */
  readonly isBackground: boolean;
}

/** Draws every flow with the counts of a principal's own requests: none tells of another user (laws M2, M3). */
export function flowDrawings({ flows, services }: MemoryCore, principal: CheckedPrincipal): readonly DrawnFlow[] {
  const counts = services.telemetry.counts.of(principal);
  return Object.values(flows).map(({ name, graph }): DrawnFlow => {
    const isBackground = name === flows.embedding.name;
    // a user may be named as the worker is: it is not told of the work for others
    const { running = 0, completed = 0, failed = 0, nodes } = (isBackground ? undefined : counts.get(name)) ?? {};
    return {
      name,
      nodes: graph.nodes.map((node) => {
        const { done = 0, failed: fails = 0, fellBack = 0, ms = 0 } = nodes?.get(node.name) ?? {};
        return {
          name: node.name,
          effects: node.effects ?? "none",
          timeoutMs: node.policy.timeoutMs,
          retries: node.policy.maxRetries ?? 0,
          hasFallback: node.policy.onFailed !== undefined,
          done,
          failed: fails,
          fellBack,
          meanMs: done === 0 ? undefined : ms / done,
        };
      }),
      edges: graph.edges.filter(isInner).map(({ from, to }) => ({ from, to })),
      running,
      completed,
      failed,
      isBackground,
    };
  });
}

function isInner({ from, to }: EdgeJson): boolean {
  return from !== OPEN_SEA && to !== ROOKERY;
}
