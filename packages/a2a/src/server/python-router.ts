import type { IncomingMessage } from "node:http";
import { type AgentCard, Role, type SendMessageRequest, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk";
import { A2AError, restStatusFor } from "@a2a-js/sdk/errors";
import type { ServerCallContext } from "@a2a-js/sdk/server";
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from "express";
import { errorPayload } from "penguiflow";
import { chunksOf, EXTENSION, factsIn, partsOf, RESULT_ARTIFACT, textOf, valueOf } from "../wire.ts";
import { inBackground } from "./background.ts";
import type { FlowRequestHandler } from "./flow-request-handler.ts";
import { requireDepth } from "./request-shapes.ts";

/** Parts of the adapter that the router depends on. */
export interface PythonRouterParts {
  readonly card: AgentCard;
  readonly handler: FlowRequestHandler;
  /** Authenticates a caller and admits it. */
  readonly enter: RequestHandler;
  readonly contextOf: (request: IncomingMessage, tenant: string) => ServerCallContext;
  readonly bodyLimit: string;
}

/** Error of an invalid call: 422. */
class Unprocessable extends Error {}

const STATUS: ReadonlyMap<TaskState | undefined, string> = new Map([
  [TaskState.TASK_STATE_COMPLETED, "succeeded"],
  [TaskState.TASK_STATE_FAILED, "failed"],
  [TaskState.TASK_STATE_CANCELED, "cancelled"],
  [TaskState.TASK_STATE_INPUT_REQUIRED, "input_required"],
  [TaskState.TASK_STATE_AUTH_REQUIRED, "input_required"],
]);

/**
 * Creates the routes of PenguiFlow for Python, for its callers: `GET /agent`, `POST /message/send`, `POST
 * /message/stream`, `POST /tasks/cancel`. They predate A2A and are no part of it. They share their tasks with the A2A
 * interfaces.
 */
export function pythonRouter({ card, handler, enter, contextOf, bodyLimit }: PythonRouterParts): Router {
  const router = express.Router();
  const body = express.json({ limit: bodyLimit });
  const route =
    (work: (request: Request, response: Response) => Promise<void>): RequestHandler =>
    (request, response) =>
      void inBackground("answering a call", () =>
        work(request, response).catch((error: unknown) => refuse(response, error)),
      );

  router.get("/agent", (_, response) => void response.json(card));
  router.post(
    "/message/send",
    enter,
    body,
    route(async (request, response) => {
      const { params, context } = callOf(request, contextOf);
      const answer = await handler.sendMessage(params, context);
      response.json("status" in answer ? reportOf(answer) : { status: "succeeded", output: valueOf(answer.parts) });
    }),
  );
  router.post(
    "/message/stream",
    enter,
    body,
    route(async (request, response) => {
      const { params, context } = callOf(request, contextOf);
      for await (const event of handler.sendMessageStream(params, context)) {
        if (!response.headersSent)
          response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
        for (const [name, data] of eventsOf(event)) response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      }
      response.end();
    }),
  );
  router.post(
    "/tasks/cancel",
    enter,
    body,
    route(async (request, response) => {
      const { taskId, headers } = fieldsOf(request);
      if (typeof taskId !== "string") throw new Unprocessable('"taskId" must be a string');
      const context = contextOf(request, tenantIn(headers));
      const { id, contextId, status } = await handler.cancelTask(
        { id: taskId, tenant: "", metadata: undefined },
        context,
      );
      const cancelled = status?.state === TaskState.TASK_STATE_CANCELED;
      response.json({ taskId: id, contextId, cancelled });
    }),
  );
  const refuseBody: ErrorRequestHandler = (error: unknown, _request, response, _next) => refuse(response, error);
  return router.use(refuseBody);
}

function fieldsOf({ body }: Request): Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null) throw new Unprocessable("The body must be a JSON object");
  try {
    requireDepth(body, "body");
  } catch (error) {
    throw new Unprocessable(errorPayload(error).message);
  }
  return body as Readonly<Record<string, unknown>>;
}

function tenantIn(headers: unknown): string {
  const { tenant } = (headers ?? {}) as { readonly tenant?: unknown };
  if (typeof tenant !== "string" || tenant === "") throw new Unprocessable('"headers" must have a "tenant"');
  return tenant;
}

function callOf(
  request: Request,
  contextOf: PythonRouterParts["contextOf"],
): { readonly params: SendMessageRequest; readonly context: ServerCallContext } {
  const { payload, headers, meta, messageId, taskId, contextId } = fieldsOf(request);
  const tenant = tenantIn(headers);
  if (payload === undefined) throw new Unprocessable('"payload" is missing');
  if (typeof (meta ?? {}) !== "object" || Array.isArray(meta)) throw new Unprocessable('"meta" must be an object');
  const { topic, priority } = headers as { readonly topic?: unknown; readonly priority?: unknown };
  const given = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
  return {
    context: contextOf(request, tenant),
    params: {
      tenant,
      configuration: undefined,
      metadata: undefined,
      message: {
        messageId: given(messageId, crypto.randomUUID()),
        taskId: given(taskId, ""),
        contextId: given(contextId, ""),
        role: Role.ROLE_USER,
        parts: partsOf(payload),
        metadata: { ...(meta as object | undefined), [EXTENSION]: { topic, priority } },
        extensions: [],
        referenceTaskIds: [],
      },
    },
  };
}

/** Reports a task that is over, or paused. */
function reportOf({ id, contextId, artifacts, status, metadata }: Task): Record<string, unknown> {
  const ids = { taskId: id, contextId };
  const name = STATUS.get(status?.state) ?? "failed";
  const output = valueOf(artifacts.find(({ artifactId }) => artifactId === RESULT_ARTIFACT)?.parts ?? []);
  if (name === "succeeded") return { status: name, output: output ?? null, ...ids };
  const said = status?.message?.parts ?? [];
  if (name === "input_required") return { status: name, output: valueOf(said) ?? null, ...ids };
  return { status: name, error: { code: factsIn(metadata)["code"], message: textOf(said) }, ...ids };
}

/** Translates an event of a task into these routes' format. */
function* eventsOf({ payload }: StreamResponse): Generator<readonly [string, Record<string, unknown>]> {
  if (payload?.$case === "task") {
    const { id, contextId, status } = payload.value;
    yield ["status", { status: "accepted", taskId: id, contextId }];
    if (STATUS.has(status?.state)) yield ["done", { ...reportOf(payload.value) }];
  } else if (payload?.$case === "artifactUpdate") {
    const { taskId, contextId, artifact } = payload.value;
    const parts = artifact?.parts ?? [];
    if (artifact?.artifactId === RESULT_ARTIFACT)
      yield ["artifact", { output: valueOf(parts) ?? null, taskId, contextId }];
    else if (textOf(parts) !== "") yield ["chunk", { text: textOf(parts), taskId, contextId }];
    else for (const chunk of chunksOf(parts)) yield ["chunk", { text: "", ...chunk, taskId, contextId }];
  } else if (payload?.$case === "statusUpdate") {
    const { taskId, contextId, status, metadata } = payload.value;
    const name = STATUS.get(status?.state);
    if (name === undefined) return;
    const ids = { taskId, contextId };
    const said = status?.message?.parts ?? [];
    if (name === "failed" || name === "cancelled")
      yield ["error", { code: factsIn(metadata)["code"], message: textOf(said), ...ids }];
    if (name === "input_required") yield ["status", { status: name, output: valueOf(said) ?? null, ...ids }];
    yield ["done", { status: name, ...ids }];
  }
}

function refuse(response: Response, error: unknown): void {
  if (response.headersSent) return void response.end();
  response.status(statusOf(error)).json({ detail: errorPayload(error).message });
}

function statusOf(error: unknown): number {
  if (error instanceof Unprocessable) return 422;
  if (error instanceof A2AError) return restStatusFor(error);
  // errors of the body parser carry status and type
  const { status, type } = error as { readonly status?: unknown; readonly type?: unknown };
  if (type === "entity.parse.failed") return 422;
  return typeof status === "number" && status >= 400 && status < 500 ? status : 500;
}
