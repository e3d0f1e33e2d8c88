import { z } from "zod";
import { type Embedder, EmbeddingFailed } from "./embedder.ts";

/** Options of {@link openAiCompatible}. */
export interface OpenAiCompatibleOptions {
  /** Address up to and with the version, such as `http://127.0.0.1:11434/v1`. */
  readonly url: string;
  readonly model: string;
  readonly dims: number;
  /** @defaultValue none: local servers need no key */
  readonly apiKey?: string | undefined;
  /** Text put before queries, for models that want one, such as `query: `. @defaultValue none */
  readonly queryPrefix?: string | undefined;
  /** Text put before fragments. @defaultValue none */
  readonly fragmentPrefix?: string | undefined;
}

const answer = z.object({ data: z.array(z.object({ index: z.int().min(0), embedding: z.array(z.number()) })) });

/**
 * Returns an embedder that asks a server with OpenAI's `POST /embeddings`: Ollama, LM Studio, llama.cpp, vLLM, OpenAI.
 *
 * @throws TypeError when the address is no http URL
 */
export function openAiCompatible(options: OpenAiCompatibleOptions): Embedder {
  const { url, model, dims, apiKey, queryPrefix = "", fragmentPrefix = "" } = options;
  const base = new URL(url);
  if (!/^https?:$/.test(base.protocol)) throw new TypeError(`Option "url" must be an http address: got ${url}`);
  const address = `${base.href.replace(/\/$/, "")}/embeddings`;
  const headers = {
    "content-type": "application/json",
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  return {
    name: model,
    dims,
    embed: async (texts, signal, kind) => {
      const prefix = kind === "query" ? queryPrefix : fragmentPrefix;
      const body = JSON.stringify({ model, input: texts.map((text) => prefix + text), encoding_format: "float" });
      const response = await fetch(address, { method: "POST", headers, body, signal, redirect: "error" });
      if (!response.ok) {
        await response.body?.cancel();
        throw new EmbeddingFailed(`HTTP ${response.status}`);
      }
      const parsed = answer.safeParse(await response.json());
      if (!parsed.success) throw new EmbeddingFailed("an answer without embeddings");
      const vectors = parsed.data.data.sort((one, other) => one.index - other.index);
      return vectors.map(({ embedding }) => embedding);
    },
  };
}
