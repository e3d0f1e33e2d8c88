import type { Metric, MetricsSink } from "./mlflow-metrics.ts";

/** Options of a run. */
export interface MlflowOptions {
  readonly trackingUri: string;
  /** @defaultValue `"0"`, the experiment every server has */
  readonly experimentId?: string | undefined;
  /** Bearer token. @defaultValue none */
  readonly token?: string | undefined;
  readonly runName: string;
}

/** Timeout of a request, after which its batch is dropped. */
const PATIENCE_MS = 5_000;

/** A run on an MLflow tracking server, over its REST API. Created with the first metrics, and ended by `close`. */
export class MlflowRun implements MetricsSink {
  readonly #options: MlflowOptions;
  #runId: string | undefined;

  constructor(options: MlflowOptions) {
    this.#options = options;
  }

  async write(metrics: readonly Metric[]): Promise<void> {
    const run_id = (this.#runId ??= await this.#create());
    await this.#post("runs/log-batch", { run_id, metrics });
  }

  async close(status: "FINISHED" | "FAILED"): Promise<void> {
    if (this.#runId !== undefined)
      await this.#post("runs/update", { run_id: this.#runId, status, end_time: Date.now() });
  }

  async #create(): Promise<string> {
    const { experimentId = "0", runName } = this.#options;
    const { run } = (await this.#post("runs/create", {
      experiment_id: experimentId,
      run_name: runName,
      start_time: Date.now(),
      tags: [{ key: "mlflow.source.name", value: "penguiflow" }],
    })) as { run: { info: { run_id: string } } };
    return run.info.run_id;
  }

  async #post(what: string, body: unknown): Promise<unknown> {
    const { trackingUri, token } = this.#options;
    const response = await fetch(`${trackingUri.replace(/\/+$/, "")}/api/2.0/mlflow/${what}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw new Error(`MLflow answered ${what} with ${response.status}: ${await response.text()}`);
    return await response.json();
  }
}
