import type { ArtifactRef } from "penguiflow";
import type { ContentPart, ToolOutput } from "../plan/tool-output.ts";

/** Keeps a whole result; resolves with where. */
export type Keep = (mediaType: string, data: Uint8Array) => Promise<ArtifactRef>;

/** Shortens a result to what the model gets; at once if it is short. The whole is kept, if there is a place for it. */
export function clamped(
  output: ToolOutput,
  maxChars: number,
  keep: Keep | undefined,
): ToolOutput | Promise<ToolOutput> {
  switch (output.kind) {
    case "text":
      return output.text.length <= maxChars ? output : shortened(output.text, "text/plain", maxChars, keep);
    case "json": {
      const text = JSON.stringify(output.value);
      return text.length <= maxChars ? output : shortened(text, "application/json", maxChars, keep);
    }
    case "content":
      return Promise.all(output.parts.map((part) => clampedPart(part, maxChars, keep))).then((parts) => ({
        ...output,
        parts,
      }));
    case "error":
      return output.text.length > maxChars ? { ...output, text: preview(output.text, maxChars) } : output;
    case "denied":
    case "unknown":
      return output;
  }
}

async function shortened(
  text: string,
  mediaType: string,
  maxChars: number,
  keep: Keep | undefined,
): Promise<ToolOutput> {
  const artifact = await keep?.(mediaType, bytesOf(text));
  return { kind: "text", text: preview(text, maxChars), ...(artifact !== undefined && { artifact }) };
}

async function clampedPart(part: ContentPart, maxChars: number, keep: Keep | undefined): Promise<ContentPart> {
  if (part.type === "text") {
    if (part.text.length <= maxChars) return part;
    const artifact = await keep?.("text/plain", bytesOf(part.text));
    return { type: "text", text: preview(part.text, maxChars) + noteOf(artifact) };
  }
  if (part.data.length <= maxChars) return part;
  const { mediaType, data, filename = "a file" } = part;
  const artifact = await keep?.(
    mediaType,
    Uint8Array.from(atob(data), (char) => char.charCodeAt(0)),
  );
  const why = `[${filename} (${mediaType}) is too long to be shown: ${data.length} characters as base64]`;
  return { type: "text", text: why + noteOf(artifact) };
}

function preview(text: string, maxChars: number): string {
  return `${text.slice(0, maxChars)}\n[… ${text.length - maxChars} of ${text.length} characters are left out]`;
}

function noteOf(artifact: ArtifactRef | undefined): string {
  return artifact === undefined ? "" : `\n[It is kept whole as artifact "${artifact.id}"]`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
