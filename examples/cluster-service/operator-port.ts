import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { errorPayload } from "penguiflow";

/** Answer to a request of an operator's tool. */
export interface Answer {
  readonly status: number;
  readonly body: string | object;
}

/** Answers by path. */
export type Answers = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** A port for probes, autoscalers and operators, beside `/metrics` for Prometheus. Keep it away from users. */
export class OperatorPort implements AsyncDisposable {
  readonly #exporter = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true });
  readonly #answers: Answers;
  readonly #server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    if (path === "/metrics") this.#exporter.getMetricsRequestHandler(request, response);
    else void this.#answer(path, response);
  });
  /** Gets the metrics that `/metrics` shows. */
  readonly meterProvider: MeterProvider = new MeterProvider({ readers: [this.#exporter] });

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  /** Listens on a port, 0 for any free one. Returns its URL on this machine. */
  async listen(port: number): Promise<string> {
    this.#server.listen(port);
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await this.meterProvider.shutdown();
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    const answer = this.#answers[path];
    let told: Answer;
    try {
      told = (await answer?.()) ?? {
        status: 404,
        body: `No such path; there are ${Object.keys(this.#answers).join(", ")}`,
      };
    } catch (error) {
      told = { status: 503, body: { error: errorPayload(error).message } };
    }
    const { status, body } = told;
    const isText = typeof body === "string";
    response.writeHead(status, { "content-type": isText ? "text/plain; charset=utf-8" : "application/json" });
    response.end(isText ? `${body}\n` : JSON.stringify(body));
  }
}
