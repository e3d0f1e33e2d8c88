import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { example } from "../src/subject.ts";

test("an MCP client calls the flow as a tool", async () => {
  const client = new Client({ name: "tester", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [...process.execArgv, "src/mcp.ts"] }),
  );
  try {
    const { content } = await client.callTool({ name: "ask", arguments: { text: example.text } });
    const [part] = content as { text?: string }[];
    assert.ok(part?.text?.includes(example.answer), JSON.stringify(content));
  } finally {
    await client.close();
  }
});
