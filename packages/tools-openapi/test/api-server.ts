import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Tool, ToolContext, ToolOutput, ToolSource } from "@penguiflow/planner";
import { onTestFinished } from "vitest";

/** A request as a server has received it. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Serves on loopback until the test is over, and keeps the requests. */
export async function serveApi(
  answer: (request: Received, response: ServerResponse) => void,
): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const whole = { method, url, headers, body: Buffer.concat(chunks).toString("latin1") };
      received.push(whole);
      answer(whole, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

/** Answers with JSON. */
export function json(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

/** Lists the tools of a source by name. */
export async function toolsOf(source: ToolSource): Promise<Readonly<Record<string, Tool>>> {
  const { signal } = new AbortController();
  const tools = await source.list({ caller: { tenant: "acme", runId: "r" }, credential: undefined, signal });
  return Object.fromEntries(tools.map((tool) => [tool.name, tool]));
}

/** Checks the arguments of a call and runs it. */
export async function callTool(
  tool: Tool | undefined,
  args: Parameters<Tool["check"]>[0],
  { credential, signal = new AbortController().signal }: { credential?: unknown; signal?: AbortSignal } = {},
): Promise<ToolOutput> {
  if (tool === undefined) throw new TypeError("There is no such tool");
  const checked = await tool.check(args);
  if (!checked.ok) throw new TypeError(checked.problem);
  const ctx = { callId: "1.0", idempotencyKey: "key-1", attempt: 1, credential, signal };
  return await tool.run(checked.value, ctx as unknown as ToolContext<never>);
}
