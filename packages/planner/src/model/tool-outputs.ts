import type { JSONValue, LanguageModelV4ToolResultOutput } from "@ai-sdk/provider";
import type { ArtifactRef, ContentPart, ToolOutput } from "../plan/tool-output.ts";

/** The result of a call that has none: no provider sees a call without its result. */
export const NO_RESULT: LanguageModelV4ToolResultOutput = Object.freeze({
  type: "error-text",
  value: "The call has no result. It is not known whether it took effect.",
});

/** Converts a result to the form of a prompt. */
export function toolOutput(output: ToolOutput): LanguageModelV4ToolResultOutput {
  switch (output.kind) {
    case "text":
      return { type: "text", value: output.text + artifactLine(output.artifact) };
    case "json":
      return output.artifact === undefined
        ? { type: "json", value: output.value as JSONValue }
        : { type: "text", value: JSON.stringify(output.value) + artifactLine(output.artifact) };
    case "content": {
      // some providers send a list as JSON in a string
      if (output.parts.every((part) => part.type === "text")) {
        return { type: "text", value: output.parts.map(({ text }) => text).join("\n") + artifactLine(output.artifact) };
      }
      const value = output.parts.map(contentPart);
      if (output.artifact !== undefined) value.push({ type: "text", text: artifactLine(output.artifact).trim() });
      return { type: "content", value };
    }
    case "error":
      return { type: "error-text", value: `${output.code}: ${output.text}` };
    case "denied":
      return { type: "execution-denied", reason: `The call was denied: ${output.reason}` };
    case "unknown":
      return { type: "error-text", value: output.text };
  }
}

type Content = Extract<LanguageModelV4ToolResultOutput, { type: "content" }>["value"][number];

function contentPart(part: ContentPart): Content {
  if (part.type === "text") return { type: "text", text: part.text };
  const { mediaType, data, filename } = part;
  return { type: "file", mediaType, data: { type: "data", data }, ...(filename !== undefined && { filename }) };
}

function artifactLine(artifact: ArtifactRef | undefined): string {
  if (artifact === undefined) return "";
  return `\n[The whole result is kept as artifact "${artifact.id}": ${artifact.mediaType}, ${artifact.size} bytes]`;
}
