// Serves `/v1/answers` by WebSocket: each message is a question; the answers follow in order.
import { randomUUID } from "node:crypto";
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { chunkToWsJson } from "penguiflow";
import { type WebSocket, WebSocketServer } from "ws";
import type { Asked } from "./flow.ts";
import { expiring, paced } from "./paced.ts";
import { type Parts, requireRoute, ROUTE } from "./parts.ts";
import { Refusal, refusalOf } from "./problem.ts";

const MOST_QUESTIONS_OPEN = 8;
const PING_MS = 30_000;
/** Close codes of RFC 6455. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

/** Open sockets of the service, from the upgrade of their request to the end of their last answer. */
export class AnswerSockets {
  readonly #parts: Parts;
  readonly #sockets: WebSocketServer;
  readonly #conversations = new Set<Conversation>();
  readonly #pings: NodeJS.Timeout;

  constructor(parts: Parts, server: Server) {
    this.#parts = parts;
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: parts.config.MAX_BODY_BYTES });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#pings = setInterval(() => {
      for (const conversation of this.#conversations) conversation.ping();
    }, PING_MS);
  }

  /** Closes every socket once its pending answers are sent. */
  drain(): void {
    clearInterval(this.#pings);
    for (const conversation of this.#conversations) conversation.endWhenIdle();
  }

  /** Terminates the remaining sockets. */
  terminate(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    try {
      requireRoute(request);
      const tenant = this.#parts.door.authenticate(request);
      this.#parts.door.requireOpen();
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
        const conversation = new Conversation(this.#parts, client, tenant);
        this.#conversations.add(conversation);
        client.once("close", () => this.#conversations.delete(conversation));
      });
    } catch (error) {
      refuse(socket, refusalOf(error));
    }
  }
}

/** Serves one socket. Answers its questions in order; when it disconnects, their work is cancelled. */
class Conversation {
  readonly #parts: Parts;
  readonly #socket: WebSocket;
  readonly #tenant: string;
  readonly #left = new AbortController();
  #open = 0;
  #earlier = Promise.resolve();
  #isAlive = true;

  constructor(parts: Parts, socket: WebSocket, tenant: string) {
    this.#parts = parts;
    this.#socket = socket;
    this.#tenant = tenant;
    socket.on("message", (data: Buffer) => this.#take(data.toString()));
    socket.on("pong", () => (this.#isAlive = true));
    socket.on("error", () => socket.terminate());
    socket.once("close", () => this.#left.abort("The client went away"));
  }

  /** Terminates a client that has not answered the last ping. */
  ping(): void {
    if (!this.#isAlive) return this.#socket.terminate();
    this.#isAlive = false;
    this.#socket.ping();
  }

  endWhenIdle(): void {
    if (this.#open === 0) this.#socket.close(GOING_AWAY, "The service is shutting down");
  }

  #take(text: string): void {
    if (this.#open === MOST_QUESTIONS_OPEN) return this.#socket.close(POLICY_VIOLATION, "Too many questions at once");
    this.#open += 1;
    this.#earlier = this.#earlier
      .then(() => this.#answer(text))
      .finally(() => {
        this.#open -= 1;
        if (this.#parts.door.isDraining) this.endWhenIdle();
      });
  }

  async #answer(text: string): Promise<void> {
    const left = this.#left.signal;
    if (left.aborted) return;
    const startedAt = performance.now();
    const traceId = randomUUID();
    const failure = await this.#parts.door
      .admit(this.#tenant, () => this.#stream(text, traceId))
      .then(() => undefined, refusalOf);
    const problem = left.aborted ? undefined : failure?.problem;
    if (problem !== undefined) {
      // a client that does not read would not read this either
      if (this.#socket.bufferedAmount > 0) this.#socket.terminate();
      else this.#socket.send(JSON.stringify({ type: "failed", ...problem, traceId }));
    }
    const status = left.aborted ? 499 : (problem?.status ?? 200);
    const tenant = this.#tenant;
    this.#parts.telemetry.served({
      method: "WEBSOCKET",
      route: ROUTE,
      status,
      startedAt,
      traceId,
      tenant,
      code: problem?.code,
    });
  }

  async #stream(text: string, traceId: string): Promise<void> {
    const { flow, config } = this.#parts;
    const tenant = this.#tenant;
    const left = this.#left.signal;
    const question = fromJson(text) as Asked;
    const timeoutMs = config.REQUEST_TIMEOUT_MS;
    using over = expiring(left, timeoutMs);
    const stream = flow.stream(question, { tenant, traceId, timeoutMs, signal: left });
    await stream.accepted();
    for await (const item of stream) {
      const json =
        item.type === "chunk"
          ? chunkToWsJson(item.chunk, { type: "chunk" })
          : JSON.stringify({ ...item, message: undefined, traceId });
      await paced((taken) => this.#socket.send(json, taken), over.signal);
    }
  }
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "NOT_JSON", "The message is not JSON");
  }
}

/** Writes an HTTP response during an upgrade, where Node provides none. */
function refuse(socket: Duplex, { problem, headers }: Refusal): void {
  const body = JSON.stringify(problem);
  const fields = {
    ...headers,
    connection: "close",
    "content-type": "application/problem+json",
    "content-length": String(Buffer.byteLength(body)),
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join("")}\r\n${body}`);
}
