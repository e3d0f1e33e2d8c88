import type { ArtifactRef } from "penguiflow";
import type { Json } from "./json.ts";

export type { ArtifactRef } from "penguiflow";

/**
 * The result of a call as the model reads it. Every call has exactly one. `error` says what went wrong, in words for
 * the model; `denied` that a person or a policy refused the call; `unknown` that a call that writes was cut off, so
 * that nothing is known about it.
 */
export type ToolOutput =
  | { readonly kind: "text"; readonly text: string; readonly artifact?: ArtifactRef | undefined }
  | { readonly kind: "json"; readonly value: Json; readonly artifact?: ArtifactRef | undefined }
  | { readonly kind: "content"; readonly parts: readonly ContentPart[]; readonly artifact?: ArtifactRef | undefined }
  | { readonly kind: "error"; readonly code: ToolErrorCode; readonly text: string }
  | { readonly kind: "denied"; readonly reason: string }
  | { readonly kind: "unknown"; readonly text: string };

/** A piece of a result with several. Data of a file is base64. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "file";
      readonly mediaType: string;
      readonly data: string;
      readonly filename?: string | undefined;
    };

/** Reasons why a call has no output of its tool. */
export type ToolErrorCode =
  | "TOOL_UNKNOWN"
  | "ARGUMENTS_INVALID"
  | "ARGUMENTS_LOST"
  | "OUTPUT_INVALID"
  | "TOOL_FAILED"
  | "TOOL_TIMEOUT"
  | "TOOL_UNAVAILABLE"
  | "TOOL_CHANGED"
  | "BUDGET_EXHAUSTED"
  | "SIGN_IN_FAILED";
