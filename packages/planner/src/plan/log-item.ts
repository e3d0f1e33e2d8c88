import type { JSONObject } from "@ai-sdk/provider";
import type { Json } from "./json.ts";
import type { ToolOutput } from "./tool-output.ts";

/**
 * A piece of what the model has said, in order. `metadata` is the provider's own (signatures of reasoning, for example)
 * and goes back to it as it came.
 */
export type TurnPart =
  | { readonly type: "text"; readonly text: string; readonly metadata?: ProviderMetadata | undefined }
  | { readonly type: "reasoning"; readonly text: string; readonly metadata?: ProviderMetadata | undefined }
  | {
      readonly type: "call";
      /** Unique in the run: step and index. Ids of providers repeat between turns. */
      readonly callId: string;
      /** The provider's id, which goes back to it. */
      readonly providerId: string;
      readonly tool: string;
      /** JSON text as the model wrote it; may be empty or no JSON. */
      readonly input: string;
      readonly metadata?: ProviderMetadata | undefined;
    }
  | {
      /** A part that only the provider understands (files, calls and results of its own tools), passed back unchanged. */
      readonly type: "other";
      readonly part: Json;
    };

/** Metadata by provider, as data. */
export type ProviderMetadata = Readonly<Record<string, JSONObject>>;

/** A turn of the conversation, from which a prompt is made. Stored once, in the trace's log. */
export type Turn =
  | { readonly role: "user"; readonly parts: readonly PromptPart[]; readonly by?: string | undefined }
  | { readonly role: "model"; readonly parts: readonly TurnPart[] }
  | {
      readonly role: "tool";
      readonly callId: string;
      readonly providerId: string;
      readonly tool: string;
      readonly output: ToolOutput;
    }
  | { /** Feedback of the loop to the model: a repair, a critic. */ readonly role: "note"; readonly text: string };

/** A piece of a person's message: text, or a file whose data is base64. */
export type PromptPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "file";
      readonly mediaType: string;
      readonly data: string;
      readonly filename?: string | undefined;
    };

/** A person's message. */
export type Prompt = string | readonly PromptPart[];
