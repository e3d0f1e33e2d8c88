import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type ServedTool, toolSourceContract } from "@penguiflow/planner/testing";
import { openApiTools } from "@penguiflow/tools-openapi";
import { describe, expect, test } from "vitest";

/** Describes tools as operations. Their arguments are JSON in the query, so that any value can be one. */
function documentOf(tools: readonly ServedTool[], url: string): object {
  const paths = tools.map(({ name, description, inputSchema }) => {
    const { properties = {}, required = [] } = inputSchema as {
      readonly properties?: Readonly<Record<string, unknown>>;
      readonly required?: readonly string[];
    };
    const parameters = Object.entries(properties).map(([property, schema]) => ({
      ...{ name: property, in: "query", required: required.includes(property) },
      content: { "application/json": { schema } },
    }));
    const responses = { 200: { description: "the result" } };
    return [`/${name}`, { post: { operationId: name, description, parameters, responses } }];
  });
  return {
    ...{ openapi: "3.1.0", info: { title: "tools", version: "1" }, servers: [{ url }] },
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    paths: Object.fromEntries(paths) as object,
  };
}

describe("openApiTools is a source of tools", () => {
  const make = async (tools: readonly ServedTool[]) => {
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1");
      const args = Object.fromEntries([...searchParams].map(([name, text]) => [name, JSON.parse(text) as never]));
      const [, credential] = request.headers.authorization?.split(" ") ?? [];
      const gone = new AbortController();
      response.on("close", () => gone.abort());
      tools
        .find(({ name }) => pathname === `/${name}`)
        ?.run(args, { credential, signal: gone.signal })
        .then(
          (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value)),
          (error: unknown) => response.writeHead(500).end((error as Error).message),
        );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const source = openApiTools("api", { document: documentOf(tools, url), operations: "all", signsIn: "user" });
    const close = async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    return { source, close };
  };
  test.for(toolSourceContract({ make }))("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
