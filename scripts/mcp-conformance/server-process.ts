// Serves flows as MCP tools with the names and results that the conformance suite asks of a server. Prints its URL.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ToolOutput } from "@penguiflow/planner";
import { mcpServer, type McpQuestion, type McpToolInit } from "@penguiflow/tools-mcp/server";
import { type Context, create, node } from "penguiflow";
import { z } from "zod";

/** A pixel, and a sound without samples. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

type Parts = Extract<ToolOutput, { readonly kind: "content" }>["parts"];

/** Makes a tool of a function; without `input` it takes no arguments. */
function tool(
  name: string,
  run: (ctx: Context, args: never) => unknown,
  init: Partial<Omit<McpToolInit, "flow" | "name">> = {},
): McpToolInit {
  const flow = create(node(name, ({ payload }, ctx) => run(ctx, payload as never)).to(), { name });
  flow.run();
  return { flow, name, description: `The tool ${name}`, input: z.object({}), ...init };
}

const content = (name: string, ...parts: Parts): McpToolInit => tool(name, () => ({ kind: "content", parts }));

/** Makes a tool that asks the client's user a question. */
function asking(name: string, question: Omit<McpQuestion, "message">, init: Partial<McpToolInit> = {}): McpToolInit {
  return tool(
    name,
    async (ctx, { message = "Please answer" }: { readonly message?: string }) => {
      const answer = await ctx.pause<object>({ reason: message });
      return `Answered: ${JSON.stringify(answer)}`;
    },
    { ...init, question: ({ reason }) => ({ ...question, message: reason }), answer: (given) => given },
  );
}

const object = (properties: object, required: readonly string[] = []) => ({ type: "object", properties, required });
const options = ["option1", "option2", "option3"];
const titled = [
  { const: "value1", title: "First Option" },
  { const: "value2", title: "Second Option" },
  { const: "value3", title: "Third Option" },
];

const image = { type: "file", mediaType: "image/png", data: PNG } as const;
const file = (filename: string, mediaType: string, text: string) =>
  ({ type: "file", mediaType, filename, data: Buffer.from(text).toString("base64") }) as const;

const server = mcpServer({
  name: "penguiflow-conformance",
  version: "1.0.0",
  tools: [
    tool("test_simple_text", () => "This is a simple text response for testing."),
    content("test_image_content", image),
    content("test_audio_content", { type: "file", mediaType: "audio/wav", data: WAV }),
    content("test_embedded_resource", file("resource.txt", "text/plain", "This is an embedded resource content.")),
    content(
      "test_multiple_content_types",
      { type: "text", text: "Multiple content types test:" },
      image,
      file("mixed.json", "application/json", '{"test":"data","value":123}'),
    ),
    tool("test_error_handling", () => {
      throw new Error("This tool intentionally returns an error for testing");
    }),
    tool("test_tool_with_progress", async (ctx) => {
      for (const done of ["0 of 100", "50 of 100", "100 of 100"]) {
        await ctx.emitChunk({ text: done });
        await ctx.sleep(50);
      }
      return "done";
    }),
    asking(
      "test_elicitation",
      {
        schema: object(
          {
            username: { type: "string", description: "User's response" },
            email: { type: "string", description: "User's email address" },
          },
          ["username", "email"],
        ),
      },
      { input: z.object({ message: z.string() }) },
    ),
    asking("test_elicitation_sep1034_defaults", {
      schema: object({
        name: { type: "string", default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
        verified: { type: "boolean", default: true },
      }),
    }),
    asking("test_elicitation_sep1330_enums", {
      schema: object({
        untitledSingle: { type: "string", enum: options },
        titledSingle: { type: "string", oneOf: titled },
        legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
        untitledMulti: { type: "array", items: { type: "string", enum: options } },
        titledMulti: { type: "array", items: { anyOf: titled } },
      }),
    }),
    tool("json_schema_2020_12_tool", () => "fine", {
      inputSchema: {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        $defs: {
          address: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } },
        },
        ...object({ name: { type: "string" }, address: { $ref: "#/$defs/address" } }),
        additionalProperties: false,
      },
    }),
  ],
});
const http = createServer(server.listener()).listen(0, "127.0.0.1");
await once(http, "listening");
process.stdout.write(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp\n`);
