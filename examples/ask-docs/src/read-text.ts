import { readFile, stat } from "node:fs/promises";

/** An unusable document. The message is the reason, worded to follow its name and a colon. */
export class UnreadableDocument extends Error {
  override readonly name = "UnreadableDocument";
}

const MEGABYTE = 1_000_000;

/**
 * Reads a text file as UTF-8.
 *
 * @param maxBytes - larger files are refused before they are read
 * @throws UnreadableDocument when the file is missing, forbidden, too large, empty or not text
 */
export async function readText(file: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
  const bytes = await readBytes(file, maxBytes, signal);
  const zero = bytes.indexOf(0);
  if (zero !== -1) throw new UnreadableDocument(`it is binary, not text (byte ${zero} is zero)`);
  const text = decode(bytes);
  if (text.trim() === "") throw new UnreadableDocument("it is empty");
  return text;
}

async function readBytes(file: string, maxBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    const found = await stat(file);
    // a pipe or a device may never end
    if (!found.isFile()) throw new UnreadableDocument("it is not a regular file");
    if (found.size > maxBytes) {
      const [has, limit] = [found.size, maxBytes].map((bytes) => (bytes / MEGABYTE).toFixed(1));
      throw new UnreadableDocument(`it is too large: ${has} MB, the limit is ${limit} MB`);
    }
    return await readFile(file, { signal });
  } catch (error) {
    if (error instanceof UnreadableDocument || signal?.aborted) throw error;
    throw new UnreadableDocument(reasonOf(error), { cause: error });
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UnreadableDocument("it is not UTF-8 text", { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ELOOP: "it is a link that leads to itself",
  ENAMETOOLONG: "its path is too long",
};

/** Explains in words why the file system refused. */
export function reasonOf(error: unknown, missing = "it is missing, or a link to something missing"): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return missing;
  return REASONS[code ?? ""] ?? message;
}
