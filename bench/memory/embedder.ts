import { hashEmbedder } from "@penguiflow/memory-service";

/** The embedder of all subjects: vectors of 384 numbers from the letters of a text, without a model. */
export const embedder = hashEmbedder(384);
