import { type Message, Role, type SendMessageRequest, type StreamResponse, type Task } from "@a2a-js/sdk";
import {
  type CallInterceptor,
  type Client,
  ClientFactory,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from "@a2a-js/sdk/client";
import { GrpcTransportFactory } from "@a2a-js/sdk/client/grpc";

/** The bindings of the agents under test. */
export const BINDINGS = ["JSONRPC", "HTTP+JSON", "GRPC"] as const;

/** Creates the SDK's own client for one interface of an agent. */
export async function speak(url: string, binding: (typeof BINDINGS)[number], token?: string): Promise<Client> {
  const named: CallInterceptor = {
    before: async (call) => {
      const { serviceParameters } = call.options ?? {};
      if (token !== undefined)
        call.options = { ...call.options, serviceParameters: { ...serviceParameters, authorization: token } };
    },
    after: async () => {},
  };
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory(), new RestTransportFactory(), new GrpcTransportFactory()],
    preferredTransports: [binding],
    clientConfig: { interceptors: [named] },
  });
  return await factory.createFromUrl(url);
}

/** Builds a request with a text. */
export function saying(
  text: string,
  message: Partial<Message> = {},
  request: Partial<Omit<SendMessageRequest, "message">> = {},
): SendMessageRequest {
  return {
    tenant: "",
    configuration: undefined,
    metadata: undefined,
    message: {
      messageId: crypto.randomUUID(),
      contextId: "",
      taskId: "",
      role: Role.ROLE_USER,
      parts: [{ content: { $case: "text", value: text }, mediaType: "text/plain", filename: "", metadata: undefined }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
      ...message,
    },
    ...request,
  };
}

/** Collects the events of an answer. */
export async function collect(
  events: AsyncIterable<StreamResponse>,
): Promise<NonNullable<StreamResponse["payload"]>[]> {
  const all: NonNullable<StreamResponse["payload"]>[] = [];
  for await (const { payload } of events) if (payload !== undefined) all.push(payload);
  return all;
}

/** Returns the task that a message began. */
export async function taskOf(answer: Promise<Message | Task>): Promise<Task> {
  const task = await answer;
  if (!("status" in task)) throw new Error("The agent has answered with a message");
  return task;
}

/** Joins the texts of an artifact or status. */
export function textIn(of: { readonly parts: Message["parts"] } | undefined): string {
  return of?.parts.map(({ content }) => (content?.$case === "text" ? content.value : "")).join("") ?? "";
}
