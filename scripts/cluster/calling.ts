import { FlowError } from "penguiflow";
import type { Client } from "@penguiflow/cluster";
import { type Deployment, partitionOf } from "../../packages/cluster/src/form/place.ts";
import type { HistoryEvent } from "../../packages/cluster/test/history/history.ts";
import { textOf } from "../../packages/cluster/test/history/observed-backend.ts";
import { PARTITIONS } from "./settings.ts";
import { line, NODES } from "./ten-nodes.ts";

const TENANTS = 7;

/** Returns where the traces of the flow are in a cluster. */
export function deploymentOf(app: string): Deployment {
  return { app, flow: line.name, version: "1", partitions: PARTITIONS, lanes: 16 };
}

/** Calls the flow, notes what it is told, and checks it. */
export class Caller {
  /** Number of calls, and of those that were answered. */
  called = 0;
  answered = 0;
  /** Wrong answers, one line each. */
  readonly wrong: string[] = [];
  readonly #app: string;
  readonly #note: (event: HistoryEvent) => void;

  constructor(app: string, note: (event: HistoryEvent) => void) {
    this.#app = app;
    this.#note = note;
  }

  /** Calls with the next id, or with none: its client makes one then, and has its result forgotten. */
  async next(client: Client, isNamed = true): Promise<void> {
    this.called += 1;
    await this.#call(client, this.called, this.called, isNamed);
  }

  /** Calls once more with an id of before. */
  async again(client: Client, trace: number): Promise<void> {
    await this.#call(client, trace, -trace, true);
  }

  async #call(client: Client, trace: number, call: number, isNamed: boolean): Promise<void> {
    const [id, tenant] = [`trace-${trace}`, `tenant-${trace % TENANTS}`];
    const nameOf = (traceId: string) => {
      return { partition: partitionOf(deploymentOf(this.#app), tenant, traceId), tenant, id: traceId };
    };
    if (isNamed) this.#note({ type: "called", ...nameOf(id), call });
    try {
      const outcome = await client.outcome(line, { id, nodes: 0 }, isNamed ? { id, tenant } : { tenant });
      if (outcome.status === "paused") throw new Error(`Expected an outcome of "${id}", got "paused"`);
      this.#note({ type: "told", ...nameOf(outcome.traceId), call, outcome: textOf(outcome) });
      this.answered += 1;
      if (outcome.status !== "completed") this.wrong.push(`${id} ended as ${outcome.status}: ${outcome.error.message}`);
      else if (outcome.result.id !== id || outcome.result.nodes !== NODES)
        this.wrong.push(`${id} was answered with ${JSON.stringify(outcome.result)}`);
    } catch (error) {
      if (!(error instanceof FlowError)) throw error;
      this.#note({ type: "rejected", ...nameOf(error.traceId ?? id), call, code: error.code });
      this.wrong.push(`${id} was refused: ${error.message}`);
    }
  }
}
