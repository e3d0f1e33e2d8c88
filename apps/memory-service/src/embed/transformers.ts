import path from "node:path";
import type { Embedder } from "./embedder.ts";

/** Options of {@link transformers}. */
export interface TransformersOptions {
  /** Folder of the model, with `config.json`, `tokenizer.json` and `onnx/`. Nothing is loaded from a hub. */
  readonly folder: string;
  readonly dims: number;
  /** @defaultValue `"mean"` */
  readonly pooling?: "mean" | "cls" | undefined;
  /** Precision of the weights, as their file is named. @defaultValue `"q8"` */
  readonly dtype?: string | undefined;
  /** Text put before queries. @defaultValue none */
  readonly queryPrefix?: string | undefined;
  /** Text put before fragments. @defaultValue none */
  readonly fragmentPrefix?: string | undefined;
}

/** The part of `@huggingface/transformers` that is used. */
interface TransformersModule {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string };
  readonly pipeline: (task: string, model: string, options: object) => Promise<Extract>;
}

type Extract = (texts: readonly string[], options: object) => Promise<{ readonly tolist: () => number[][] }>;

/**
 * Returns an embedder that runs a sentence model in this process, from a local folder. Needs the package
 * `@huggingface/transformers`, which is loaded when the first text is embedded.
 */
export function transformers(options: TransformersOptions): Embedder {
  const { folder, dims, pooling = "mean", dtype = "q8", queryPrefix = "", fragmentPrefix = "" } = options;
  const place = path.resolve(folder);
  let loading: Promise<Extract> | undefined;
  const load = async (): Promise<Extract> => {
    const module = await importTransformers();
    module.env.allowRemoteModels = false;
    module.env.allowLocalModels = true;
    module.env.localModelPath = path.dirname(place);
    return await module.pipeline("feature-extraction", path.basename(place), { dtype });
  };
  return {
    name: path.basename(place),
    dims,
    embed: async (texts, signal, kind) => {
      loading ??= load();
      const extract = await loading.catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      signal.throwIfAborted();
      const prefix = kind === "query" ? queryPrefix : fragmentPrefix;
      const output = await extract(
        texts.map((text) => prefix + text),
        { pooling, normalize: true },
      );
      return output.tolist();
    },
  };
}

async function importTransformers(): Promise<TransformersModule> {
  // an optional peer: the compiler must not look for it
  const name: string = "@huggingface/transformers";
  const module: unknown = await import(name).catch((error: unknown) => {
    throw new Error(`Cannot load "${name}": install it beside this package`, { cause: error });
  });
  if (isTransformers(module)) return module;
  throw new TypeError(`The package "${name}" has no pipeline: version 4 is needed`);
}

function isTransformers(module: unknown): module is TransformersModule {
  return typeof module === "object" && module !== null && "pipeline" in module && "env" in module;
}
