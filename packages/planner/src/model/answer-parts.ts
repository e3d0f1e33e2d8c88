import type { JSONValue, LanguageModelV4Content, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import type { Json } from "../plan/json.ts";
import type { TurnPart } from "../plan/log-item.ts";

/**
 * Converts what a model said to the parts of a turn, in order. Parts that no prompt can carry, such as sources, are
 * passed over.
 */
export function answerParts(content: readonly LanguageModelV4Content[], step: number): TurnPart[] {
  const ids: string[] = [];
  const parts = content.map((said) => partOf(said, step, ids));
  // a list that grows keeps room for more, and this one stays in the log
  return parts.every(isPart) ? parts : parts.filter(isPart);
}

function isPart(part: TurnPart | undefined): part is TurnPart {
  return part !== undefined;
}

/** Converts a piece of what a model said. `ids` are the provider's ids of the calls before it, and gets its own. */
function partOf(said: LanguageModelV4Content, step: number, ids: string[]): TurnPart | undefined {
  switch (said.type) {
    case "text":
    case "reasoning": {
      const { providerMetadata: metadata } = said;
      // an empty block may carry a signature, and is of no use otherwise
      return said.text === "" && metadata === undefined
        ? undefined
        : metadata === undefined
          ? { type: said.type, text: said.text }
          : { type: said.type, text: said.text, metadata };
    }
    case "tool-call": {
      if (said.providerExecuted === true) return other(withOptions({ ...said, input: inputOf(said.input) }));
      // a provider that gives one id twice, or none, would get results that it cannot tell apart
      const callId = `${step}.${ids.length}`;
      const providerId = said.toolCallId === "" || ids.includes(said.toolCallId) ? callId : said.toolCallId;
      ids.push(providerId);
      const { providerMetadata: metadata, toolName: tool, input } = said;
      const call = { type: "call" as const, callId, providerId, tool, input };
      return metadata === undefined ? call : { ...call, metadata };
    }
    case "tool-result": {
      if (said.preliminary === true) return undefined;
      const { toolCallId, toolName, result, isError, providerMetadata } = said;
      const output = { type: isError === true ? "error-json" : "json", value: result };
      return other(withOptions({ type: "tool-result", toolCallId, toolName, output, providerMetadata }));
    }
    case "file":
    case "reasoning-file": {
      const { data } = said;
      const stored =
        data.type === "url"
          ? { type: "url", url: data.originalUrl ?? data.url.href }
          : { type: "data", data: typeof data.data === "string" ? data.data : base64(data.data) };
      return other(withOptions({ ...said, data: stored }));
    }
    case "custom":
      return other(withOptions(said));
    case "source":
    case "tool-approval-request":
  }
  return undefined;
}

/** Reads the arguments of a call as a prompt carries them: an object, whatever the model wrote. */
export function inputOf(text: string): Readonly<Record<string, JSONValue>> {
  if (text.trim() === "") return {};
  try {
    const value = JSON.parse(text) as JSONValue;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, JSONValue>>;
    }
  } catch {
    // told as it was written
  }
  return { unreadable: text };
}

function other(part: object): TurnPart {
  return { type: "other", part: part as Json };
}

/** Turns what came as metadata into what goes back as options. Properties that are `undefined` are left out. */
function withOptions(part: object): object {
  const { providerMetadata, ...rest } = part as { readonly providerMetadata?: SharedV4ProviderMetadata };
  const kept = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return providerMetadata === undefined ? kept : { ...kept, providerOptions: providerMetadata };
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
