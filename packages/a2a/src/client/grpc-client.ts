import type {
  CancelTaskRequest,
  GetTaskRequest,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
} from "@a2a-js/sdk";
import type { RequestOptions } from "@a2a-js/sdk/client";
import { InvalidAgentResponseError } from "@a2a-js/sdk/errors";
import type { Client as Channel, ServiceError } from "@grpc/grpc-js";
import { errorPayload } from "penguiflow";
import { type GrpcPackages, grpcPackages } from "../grpc-packages.ts";
import type { RequestWishes } from "./counted-fetch.ts";
import { AnsweredError, refused, unavailable } from "./failures.ts";

/** Certificates, as PEM. */
export interface GrpcTls {
  /** Trusted authorities. @defaultValue Node's */
  readonly ca?: string | Buffer;
  /** Client certificate, for agents that require one. @defaultValue none */
  readonly cert?: string | Buffer;
  /** The key of `cert`. */
  readonly key?: string | Buffer;
}

/** Options of each call. */
export interface CallOptions extends RequestOptions {
  readonly signal: AbortSignal;
  readonly wishes: RequestWishes;
}

/** Calls to an agent, with the signatures of the SDK's client. */
export interface Calls {
  sendMessage(params: SendMessageRequest, options: CallOptions): Promise<Message | Task>;
  sendMessageStream(params: SendMessageRequest, options: CallOptions): AsyncIterable<StreamResponse>;
  getTask(params: GetTaskRequest, options: CallOptions): Promise<Task>;
  cancelTask(params: CancelTaskRequest, options: CallOptions): Promise<Task>;
  resubscribeTask(params: SubscribeToTaskRequest, options: CallOptions): AsyncIterable<StreamResponse>;
}

/** A method of the SDK's service: its path and serialisation. */
interface Method<Request, Answer> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

/** Messages by status; errors of the protocol are more specific. */
const REFUSALS: Readonly<Record<number, string>> = {
  7: "this caller may not call it (PERMISSION_DENIED)",
  8: "the message is too large (RESOURCE_EXHAUSTED)",
  12: "there is no agent at that address (UNIMPLEMENTED)",
  16: 'it requires authentication (UNAUTHENTICATED): set the option "headers"',
};

/** Statuses of calls without an answer: CANCELLED, DEADLINE_EXCEEDED, ABORTED, UNAVAILABLE. */
const UNANSWERED: ReadonlySet<number> = new Set([1, 4, 10, 14]);

/** Statuses of agents that failed themselves: UNKNOWN, INTERNAL. */
const INTERNAL: ReadonlySet<number> = new Set([2, 13]);

/** Idle time after which a connection is closed, in milliseconds. */
const IDLE_MS = 60_000;

/** Address of an agent over gRPC. */
export interface GrpcPlace {
  /** URL of the agent, for errors. */
  readonly agentUrl: string;
  /** Whether calls are encrypted when the address does not say; with `tls` they are. */
  readonly isSecure: boolean;
  readonly tls: GrpcTls | undefined;
}

/**
 * Creates a client of an agent over gRPC.
 *
 * @param url - `host:port`, or a url that says whether calls are encrypted
 * @throws FlowError `REMOTE_REFUSED` when a package is missing
 */
export async function grpcClient(url: string, { agentUrl, isSecure, tls }: GrpcPlace): Promise<Calls> {
  const packages = await grpcPackages().catch((error: unknown) => {
    throw refused(`Cannot call agent "${agentUrl}": ${errorPayload(error).message}`, error);
  });
  const { Client: Constructor, credentials } = packages.grpc;
  const [, scheme, address = url] = /^(https?|grpcs?):\/\/([^/]+)/i.exec(url) ?? [];
  const isEncrypted = scheme === undefined ? isSecure || tls !== undefined : /s$/i.test(scheme);
  const [ca, key, cert] = [tls?.ca, tls?.key, tls?.cert].map((pem) => (pem === undefined ? null : Buffer.from(pem)));
  const channel = new Constructor(
    address,
    isEncrypted ? credentials.createSsl(ca, key, cert) : credentials.createInsecure(),
    {
      "grpc.max_receive_message_length": -1,
      "grpc.client_idle_timeout_ms": IDLE_MS,
      // channelz would retain unused channels
      "grpc.enable_channelz": 0,
    },
  );
  return new GrpcClient(channel, packages);
}

/**
 * Calls an agent by the SDK's service description. Unlike the SDK's own transport, it counts bytes, times out when no
 * answer begins, and accepts answers of any size.
 */
class GrpcClient implements Calls {
  readonly #channel: Channel;
  readonly #packages: GrpcPackages;

  constructor(channel: Channel, packages: GrpcPackages) {
    this.#channel = channel;
    this.#packages = packages;
  }

  async sendMessage(params: SendMessageRequest, options: CallOptions): Promise<Message | Task> {
    const { payload } = await this.#ask(this.#packages.sdk.A2AService.sendMessage, params, options);
    if (payload === undefined)
      throw new InvalidAgentResponseError("Cannot read the answer: expected a task or a message");
    return payload.value;
  }

  sendMessageStream(params: SendMessageRequest, options: CallOptions): AsyncIterable<StreamResponse> {
    return this.#read(this.#packages.sdk.A2AService.sendStreamingMessage, params, options);
  }

  getTask(params: GetTaskRequest, options: CallOptions): Promise<Task> {
    return this.#ask(this.#packages.sdk.A2AService.getTask, params, options);
  }

  cancelTask(params: CancelTaskRequest, options: CallOptions): Promise<Task> {
    return this.#ask(this.#packages.sdk.A2AService.cancelTask, params, options);
  }

  resubscribeTask(params: SubscribeToTaskRequest, options: CallOptions): AsyncIterable<StreamResponse> {
    return this.#read(this.#packages.sdk.A2AService.subscribeToTask, params, options);
  }

  async #ask<Request, Answer>(method: Method<Request, Answer>, params: Request, options: CallOptions): Promise<Answer> {
    let last: Answer | undefined;
    // on the wire a single answer is a stream of one
    for await (const answer of this.#read(method, params, options)) last = answer;
    if (last === undefined)
      throw new InvalidAgentResponseError("Cannot read the answer: expected one message, got none");
    return last;
  }

  async *#read<Request, Answer>(
    method: Method<Request, Answer>,
    params: Request,
    { signal, serviceParameters, wishes: { agentUrl, onBytes, timeoutMs } }: CallOptions,
  ): AsyncGenerator<Answer, void, undefined> {
    const metadata = new this.#packages.grpc.Metadata();
    for (const [key, value] of Object.entries({ ...serviceParameters, "A2A-Version": "1.0" })) metadata.set(key, value);
    const call = this.#channel.makeServerStreamRequest<Request, Answer>(
      method.path,
      (request) => {
        const bytes = method.requestSerialize(request);
        onBytes?.({ sent: bytes.byteLength, received: 0 });
        return bytes;
      },
      (bytes) => {
        onBytes?.({ sent: 0, received: bytes.byteLength });
        return method.responseDeserialize(bytes);
      },
      params,
      metadata,
    );
    let isLate = false;
    const leave = (): void => call.cancel();
    const timer = setTimeout(() => {
      isLate = true;
      leave();
    }, timeoutMs);
    call.once("metadata", () => clearTimeout(timer));
    signal.addEventListener("abort", leave);
    try {
      for await (const answer of call) yield answer as Answer;
    } catch (error) {
      signal.throwIfAborted();
      if (isLate) throw unavailable(agentUrl, `no answer began within ${timeoutMs} ms`, error);
      throw this.#failure(error as ServiceError, agentUrl);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  #failure(error: ServiceError, agentUrl: string): Error {
    const told = this.#packages.errors.fromGrpcError(error);
    if (told.reason !== "INTERNAL_ERROR") return told;
    const refusal = REFUSALS[error.code];
    if (UNANSWERED.has(error.code)) return unavailable(agentUrl, error.details, error);
    if (refusal === undefined)
      return new AnsweredError(error.message, INTERNAL.has(error.code), { status: error.code }, error);
    return refused(`Agent "${agentUrl}" refused the call: ${refusal}`, error);
  }
}
