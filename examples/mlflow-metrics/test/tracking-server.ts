import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A request as received. */
export interface Received {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Shape {
  readonly metrics?: unknown;
  readonly run_id?: unknown;
  readonly experiment_id?: unknown;
  readonly start_time?: unknown;
  readonly end_time?: unknown;
  readonly status?: unknown;
}

const RUN_ID = "0123456789abcdef0123456789abcdef";

/** Returns the error a tracking server would answer with; `undefined` when it would accept the request. */
function complaint(
  path: string,
  { metrics, run_id, experiment_id, start_time, end_time, status }: Shape,
): string | undefined {
  if (path === "/api/2.0/mlflow/runs/create") {
    if (typeof experiment_id !== "string" || !/^\d+$/.test(experiment_id))
      return "experiment_id must be a string of digits";
    return Number.isInteger(start_time) ? undefined : "start_time must be epoch milliseconds";
  }
  if (run_id !== RUN_ID) return `there is no run ${String(run_id)}`;
  if (path === "/api/2.0/mlflow/runs/update") {
    if (status !== "FINISHED" && status !== "FAILED") return `there is no status ${String(status)}`;
    return Number.isInteger(end_time) ? undefined : "end_time must be epoch milliseconds";
  }
  if (path !== "/api/2.0/mlflow/runs/log-batch") return `there is no ${path}`;
  if (!Array.isArray(metrics) || metrics.length === 0) return "a batch without metrics";
  if (metrics.length > 1000) return `at most 1000 metrics: got ${metrics.length}`;
  for (const { key, value, timestamp, step } of metrics as Record<string, unknown>[]) {
    // names may have letters, digits, blanks and _-./ : up to 250 characters
    if (typeof key !== "string" || !/^[\w\-./: ]{1,250}$/.test(key)) return `there can be no metric ${String(key)}`;
    if (typeof value !== "number" || !Number.isFinite(value)) return `${key} has no number: ${String(value)}`;
    if (!Number.isInteger(timestamp) || !Number.isInteger(step)) return `${key} has no time or step`;
  }
  return undefined;
}

/** Starts a stand-in for an MLflow tracking server: validates strictly, and fails on demand. */
export async function trackingServer(mode: "works" | "fails" | "fails once" | "hangs" = "works") {
  const requests: Received[] = [];
  const complaints: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = (await json(request)) as Received["body"];
    const path = request.url ?? "";
    requests.push({ path, authorization: request.headers.authorization, body });
    if (mode === "hangs") return;
    if (mode === "fails" || (mode === "fails once" && requests.length === 1)) {
      response.writeHead(503).end("out of order");
      return;
    }
    const found = request.method === "POST" ? complaint(path, body) : "POST only";
    if (found !== undefined) complaints.push(found);
    response
      .writeHead(found === undefined ? 200 : 400, { "content-type": "application/json" })
      .end(JSON.stringify(found === undefined ? { run: { info: { run_id: RUN_ID } } } : { message: found }));
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    complaints,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
