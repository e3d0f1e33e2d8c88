import { mapConcurrent } from "penguiflow";
import type { Skipped, SourceFile } from "./find-documents.ts";
import { createIndexingFlow } from "./indexing-flow.ts";
import type { Library } from "./library.ts";
import { readText } from "./read-text.ts";

/** Options of an indexing run. */
export interface IndexingOptions {
  readonly signal: AbortSignal;
  /** Called after each file. */
  readonly onProgress?: (done: number, file: SourceFile) => void;
  /** @defaultValue {@link readText} with a limit of 5 MB */
  readonly readText?: (file: string, signal: AbortSignal) => Promise<string>;
}

const MAX_FILE_BYTES = 5_000_000;
const FILES_AT_ONCE = 16;

/**
 * Sends every file through the indexing flow, several at once. A file that fails is skipped and returned with its
 * reason.
 *
 * @throws the signal's reason
 */
export async function indexDocuments(
  files: readonly SourceFile[],
  library: Library,
  { signal, onProgress, readText: read = readWithLimit }: IndexingOptions,
): Promise<Skipped[]> {
  await using flow = createIndexingFlow();
  flow.run({ resources: { library, readText: read } });

  let done = 0;
  const reasons = await mapConcurrent(
    files,
    async (file) => {
      const outcome = await flow.outcome(file, { signal });
      onProgress?.(++done, file);
      return outcome.status === "completed" ? undefined : reasonOf(outcome.error.unwrap());
    },
    { maxConcurrency: FILES_AT_ONCE, signal },
  );
  return files.flatMap((file, position) => {
    const reason = reasons[position];
    return reason === undefined ? [] : [{ name: file.name, reason }];
  });
}

function readWithLimit(file: string, signal: AbortSignal): Promise<string> {
  return readText(file, MAX_FILE_BYTES, signal);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
