import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/client";
import type { ContentPart, Json, ToolOutput } from "@penguiflow/planner";

/** Converts the result of a server's tool to what the model reads. */
export function outputOf({ content, structuredContent, isError }: CallToolResult): ToolOutput {
  const parts = content.map(partOf);
  if (isError === true) return { kind: "error", code: "TOOL_FAILED", text: textOf(parts) || "The tool failed" };
  if (parts.some(({ type }) => type === "file")) return { kind: "content", parts };
  // the text beside it says the same
  if (structuredContent !== undefined) return { kind: "json", value: structuredContent as Json };
  return { kind: "text", text: textOf(parts) };
}

function textOf(parts: readonly ContentPart[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : `[${part.mediaType}]`)).join("\n");
}

function partOf(block: ContentBlock): ContentPart {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text };
    case "image":
    case "audio":
      return { type: "file", mediaType: block.mimeType, data: block.data };
    case "resource_link": {
      const about = block.description === undefined ? "" : ` (${block.description})`;
      return { type: "text", text: `${block.title ?? block.name}: ${block.uri}${about}` };
    }
    case "resource": {
      const { resource } = block;
      if ("text" in resource) return { type: "text", text: `${resource.uri}:\n${resource.text}` };
      const { blob, uri, mimeType = "application/octet-stream" } = resource;
      const filename = uri.split(/[?#]/, 1)[0]?.split("/").at(-1);
      return { type: "file", mediaType: mimeType, data: blob, ...(filename ? { filename } : {}) };
    }
  }
}
