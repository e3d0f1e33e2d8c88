import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { AGENT_CARD_PATH, type AgentCard } from "@a2a-js/sdk";
import {
  type A2ARequestHandler,
  InMemoryPushNotificationStore,
  type ServerCallContext,
  type ServerCallContextBuilder,
  UnauthenticatedUser,
  type User,
} from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, restHandler } from "@a2a-js/sdk/server/express";
import express, { type NextFunction, type Request, type Response, type Router } from "express";
import { DEFAULT_TENANT } from "penguiflow";
import { agentCardOf, GRPC, grpcInterfacesAt, interfacesAt, JSON_RPC_PATH, REST_PATH } from "./agent-card.ts";
import { settleVersion } from "./asked-version.ts";
import { CallContext, Caller, type CallRequest, Connection } from "./connection.ts";
import { payloadOf } from "./flow-executor.ts";
import type { ServedFlow } from "./served-flow.ts";
import { type GrpcOptions, type GrpcServer, type GrpcServerParts, listenGrpc } from "./grpc-server.ts";
import { FlowRequestHandler } from "./flow-request-handler.ts";
import { keepAlive } from "./keep-alive.ts";
import { MemoryTaskStore } from "./memory-task-store.ts";
import { PushSender } from "./push-sender.ts";
import { plannerPayload } from "./planner-payload.ts";
import { pythonRouter } from "./python-router.ts";
import {
  nothingHere,
  refuseRest,
  refuseRpc,
  requireRpcRequest,
  requireSoundBody,
  requireSoundParams,
  restRefusal,
} from "./refusals.ts";
import {
  type A2AServerOptions,
  bytesOf,
  DEFAULT_BODY_LIMIT,
  DEFAULT_KEEP_ALIVE_MS,
  DEFAULT_TEXT_LIMIT,
  requireOptions,
} from "./server-options.ts";
import { TendedTaskStore } from "./tended-task-store.ts";

/**
 * Serves a flow, or several as skills, as an A2A agent: over JSON-RPC, HTTP+JSON and gRPC, to clients of version 1.0
 * and 0.3. A task is a trace: they share their id and their end.
 *
 * @example
 * ```ts
 * const adapter = new A2AServerAdapter(flow, { card });
 * app.use(adapter.router()); // or createA2AApp(adapter)
 * ```
 */
export class A2AServerAdapter {
  /** Card served at `/.well-known/agent-card.json`. */
  readonly card: AgentCard;
  readonly flows: readonly ServedFlow[];
  readonly #handler: FlowRequestHandler;
  readonly #pushSender: PushSender | undefined;
  readonly #bySkill: ReadonlyMap<string, ServedFlow>;
  readonly #options: A2AServerOptions;
  #url = "";
  /** Admitted callers, by request. */
  readonly #callers = new WeakMap<IncomingMessage, Caller>();
  readonly #door: express.RequestHandler = (request, response, next) => void this.#enter(request, response, next);

  /**
   * @param flows - a flow, which has all skills of the card; or flows by skill, the first of which handles
   * messages without a skill
   * @throws TypeError or RangeError when an option is unknown or invalid, or a skill has no flow
   */
  constructor(flows: ServedFlow | Readonly<Record<string, ServedFlow>>, options: A2AServerOptions) {
    requireOptions(options);
    this.#options = options;
    const { pushNotifications: push } = options;
    this.card = agentCardOf(options.card, push !== undefined);
    const pushStore = push === undefined ? undefined : (push.store ?? new InMemoryPushNotificationStore());
    if (push !== undefined && pushStore !== undefined) this.#pushSender = new PushSender(pushStore, push);
    const skills = options.card.skills.map(({ id }) => id);
    this.#bySkill = new Map(isFlow(flows) ? skills.map((id) => [id, flows] as const) : Object.entries(flows));
    this.flows = [...new Set(this.#bySkill.values())];
    for (const id of skills)
      if (!this.#bySkill.has(id))
        throw new TypeError(`Cannot serve skill "${id}" of the card: no flow has it; pass one under its id`);
    for (const id of this.#bySkill.keys())
      if (!skills.includes(id)) throw new TypeError(`Cannot serve flow "${id}": the card has no such skill; add it`);
    const { taskStore = new MemoryTaskStore(), onClientGone = "detach", abandonedTasks = "fail" } = options;
    const { repeatedMessages = "join" } = options;
    const { contexts = options.payloadOf === plannerPayload ? "serial" : "parallel" } = options;
    this.#handler = new FlowRequestHandler({
      card: this.card,
      taskStore: new TendedTaskStore(
        taskStore,
        (taskId, context) => this.#handler.isAtWork(taskId, context),
        (task, context) => this.#handler.takeUp(task, context),
        abandonedTasks === "keep",
      ),
      skills: {
        flows: this.flows,
        flowOf: (skill) => (skill === undefined ? this.flows[0] : this.#bySkill.get(skill as string)),
        payloadOf: options.payloadOf ?? payloadOf,
        hasSerialContexts: contexts === "serial",
        answersWithMessage: (message) => options.answersWithMessage?.(message) === true,
        waitsForAuthorization: (pause) => options.waitsForAuthorization?.(pause) === true,
        maxTextBytes: bytesOf(options.textLimit ?? DEFAULT_TEXT_LIMIT, "textLimit"),
      },
      tenantOf: (context) => this.#tenantOf(context),
      onClientGone,
      repeatedMessages,
      pushStore,
      pushSender: this.#pushSender,
      allowPrivateTargets: push?.allowPrivate,
    });
    if (options.url !== undefined) this.url = options.url;
  }

  /** URL of the agent, to be set before its first call. @defaultValue empty: unknown */
  get url(): string {
    return this.#url;
  }

  set url(url: string) {
    const { supportedInterfaces: known } = this.card;
    const others = known.filter(({ protocolBinding }) => protocolBinding === GRPC);
    this.#url = url.replace(/\/+$/, "");
    this.card.supportedInterfaces = [...interfacesAt(this.#url, this.#isLegacyServed), ...others];
  }

  /** Handler for an SDK transport that the adapter does not mount. */
  get requestHandler(): A2ARequestHandler {
    return this.#handler;
  }

  /**
   * Identifies the caller, and refuses one that may not act for its tenant. For a transport that the adapter does not
   * mount.
   */
  readonly contextBuilder: ServerCallContextBuilder = (options) => {
    const { mayUseTenant = () => true } = this.#options;
    return new CallContext(options, (user, tenant) =>
      mayUseTenant(user?.isAuthenticated === true ? user.userName : undefined, tenant),
    );
  };

  /** Whether no task is at work and no reader is connected. */
  get isQuiet(): boolean {
    return this.#handler.isQuiet;
  }

  get #keepAliveMs(): number {
    return this.#options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
  }

  get #isLegacyServed(): boolean {
    return this.#options.legacy !== false;
  }

  /** Resolves when no task is at work any more and all notifications are sent. Call it after stopping the flows. */
  async quiet(): Promise<void> {
    await this.#handler.quiet();
    await this.#pushSender?.close(1_000);
  }

  /** Determines the tenant of a call: the one it names, else its user, else the default. */
  #tenantOf({ tenant, user }: ServerCallContext): string {
    if (tenant !== undefined && tenant !== "") return tenant;
    if (user?.isAuthenticated === true && user.userName !== "") return user.userName;
    return this.#options.defaultTenant ?? DEFAULT_TENANT;
  }

  /** Creates a router for an Express app, with the card and the interfaces. */
  router(): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void {
    const router = this.#router();
    return (request, response, next) => router(request as Request, response as Response, next);
  }

  /**
   * Creates the routes of PenguiFlow for Python, for its callers: `GET /agent`, `POST /message/send`, `/message/stream`
   * and `/tasks/cancel`. They are no part of A2A and share its tasks.
   */
  pythonRouter(): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void {
    const router = pythonRouter({
      card: this.card,
      handler: this.#handler,
      enter: this.#door,
      contextOf: (request, tenant) => {
        const { headers } = request;
        const user = this.#callers.get(request);
        return this.contextBuilder({ headers, tenant, extensions: undefined, user, requestedVersion: "1.0" });
      },
      bodyLimit: this.#options.bodyLimit ?? DEFAULT_BODY_LIMIT,
    });
    return (request, response, next) => router(request as Request, response as Response, next);
  }

  #router(): Router {
    const router = express.Router();
    const { requestHandler } = this;
    const legacyCompat = { enabled: this.#isLegacyServed };
    const common = {
      requestHandler,
      legacyCompat,
      userBuilder: async (request: Request): Promise<User> => this.#callers.get(request) ?? new UnauthenticatedUser(),
      contextBuilder: this.contextBuilder,
    };
    const enter = this.#door;
    const limit = this.#options.bodyLimit ?? DEFAULT_BODY_LIMIT;
    const body = express.json({ limit, type: ["application/json", "application/a2a+json"], strict: false });
    const card = agentCardHandler({ agentCardProvider: requestHandler, legacyCompat });
    const way = [settleVersion, enter, body];
    router.use(`/${AGENT_CARD_PATH}`, settleVersion, card);
    const rpc = [...way, requireRpcRequest, requireSoundParams];
    router.use(JSON_RPC_PATH, rpc, jsonRpcHandler(common), nothingHere, refuseRpc);
    router.use(REST_PATH, way, requireSoundBody, restHandler(common), nothingHere, refuseRest);
    return router;
  }

  /**
   * Serves the agent over gRPC, too, and adds that to its card. The packages `@grpc/grpc-js` and `@bufbuild/protobuf`
   * must be installed.
   *
   * @param host - where it listens
   * @throws TypeError when a package is missing
   */
  async listenGrpc(host: string, options: GrpcOptions = {}): Promise<GrpcServer> {
    const { requestHandler, contextBuilder } = this;
    const parts: GrpcServerParts = {
      requestHandler,
      contextBuilder,
      admit: (request, connection) => this.#admit(request, connection),
      largestRequest: bytesOf(this.#options.bodyLimit ?? DEFAULT_BODY_LIMIT),
      isLegacyServed: this.#isLegacyServed,
      keepAliveMs: this.#keepAliveMs,
    };
    const server = await listenGrpc(parts, host, options);
    const { hostname } = new URL(this.url === "" ? `http://${host}` : this.url);
    const { address = `${hostname}:${server.port}` } = options;
    this.card.supportedInterfaces.push(...grpcInterfacesAt(address, parts.isLegacyServed));
    return server;
  }

  /** Creates a listener for `http.createServer`. */
  listener(): RequestListener {
    return express().disable("x-powered-by").use(this.#router());
  }

  /** Authenticates a caller and records it, or answers 401. */
  async #enter(request: Request, response: Response, next: NextFunction): Promise<void> {
    try {
      const caller = await this.#admit(request, new Connection(response));
      if (caller === undefined) {
        response.status(401).set("WWW-Authenticate", "Bearer").json(restRefusal(401, "Not authenticated"));
        return;
      }
      this.#callers.set(request, caller);
      keepAlive(response, this.#keepAliveMs);
      next();
    } catch (error) {
      next(error);
    }
  }

  /** Authenticates a caller; `undefined` refuses it. */
  async #admit(request: CallRequest, connection: Connection): Promise<Caller | undefined> {
    const { authenticate } = this.#options;
    if (authenticate === undefined) return new Caller(undefined, connection);
    const userName = await authenticate(request);
    return userName === undefined ? undefined : new Caller(userName, connection);
  }
}

function isFlow(flows: ServedFlow | Readonly<Record<string, ServedFlow>>): flows is ServedFlow {
  return typeof flows.stream === "function";
}
