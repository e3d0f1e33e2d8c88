// Sends the metrics of a flow to the MLflow tracking server at MLFLOW_TRACKING_URI, or to standard output. Also reads
// MLFLOW_EXPERIMENT_ID and MLFLOW_TRACKING_TOKEN.
//
//   npm run example examples/mlflow-metrics/main.ts
import process from "node:process";
import { create, payloadNode } from "penguiflow";
import { type MetricsSink, MetricsWriter } from "./mlflow-metrics.ts";
import { MlflowRun } from "./mlflow-run.ts";

const split = payloadNode("split", (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? []);

const count = payloadNode({ name: "count", policy: { maxRetries: 0 } }, (words: readonly string[]) => {
  if (words.length === 0) throw new RangeError("Cannot count words: there are none");
  return new Set(words).size;
});

/** Sink that prints one line for each value. */
const standardOutput: MetricsSink = {
  async write(metrics) {
    for (const { key, value } of metrics) console.log(`${key} ${value}`);
  },
  async close(status) {
    console.log(status);
  },
};

function sinkFor(environment: NodeJS.ProcessEnv): MetricsSink {
  const { MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_ID, MLFLOW_TRACKING_TOKEN } = environment;
  if (MLFLOW_TRACKING_URI === undefined || MLFLOW_TRACKING_URI === "") return standardOutput;
  return new MlflowRun({
    trackingUri: MLFLOW_TRACKING_URI,
    experimentId: MLFLOW_EXPERIMENT_ID,
    token: MLFLOW_TRACKING_TOKEN,
    runName: "word count",
  });
}

const LINES = ["Penguins fly under water", "Water, water everywhere", "…", "The penguin is a bird"];

export async function main(environment: NodeJS.ProcessEnv = process.env, lines: readonly string[] = LINES) {
  const metrics = new MetricsWriter(sinkFor(environment));
  const flow = create(split.to(count), { name: "word count", middlewares: [metrics.watch] });
  flow.run();
  const outcomes = await Promise.all(lines.map((line) => flow.outcome(line)));
  await flow.stop();
  const failed = outcomes.filter(({ status }) => status !== "completed").length;
  await metrics.close(failed < outcomes.length ? "FINISHED" : "FAILED");
  if (metrics.lost > 0) console.warn(`${metrics.lost} metrics are lost:`, metrics.lastError);
  return { completed: outcomes.length - failed, failed, lost: metrics.lost, lastError: metrics.lastError };
}

if (import.meta.main) await main();
