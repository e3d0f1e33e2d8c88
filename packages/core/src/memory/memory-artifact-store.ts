import { requireInteger, requireKnownKeys } from "../foundation/options.ts";
import type { Artifact, ArtifactRef, ArtifactStore } from "../ports/artifact-store.ts";

/** Options of a {@link MemoryArtifactStore}. */
export interface MemoryArtifactStoreOptions {
  /** Maximum number of bytes; the oldest content is removed first. @defaultValue 67108864, 64 MiB */
  readonly maxBytes?: number | undefined;
}

/** Stores content for the lifetime of the process: for tests and experiments. */
export class MemoryArtifactStore implements ArtifactStore {
  readonly #maxBytes: number;
  readonly #artifacts = new Map<string, Artifact>();
  #bytes = 0;

  /**
   * Creates a store without content.
   *
   * @throws TypeError, RangeError when an option is unknown or out of range
   */
  constructor(options: MemoryArtifactStoreOptions = {}) {
    requireKnownKeys("MemoryArtifactStore", options, ["maxBytes"]);
    this.#maxBytes = options.maxBytes ?? 2 ** 26;
    requireInteger("maxBytes", this.#maxBytes, 1);
  }

  /** Stores a copy of the content. */
  async put(tenant: string, { mediaType, data }: Artifact): Promise<ArtifactRef> {
    const copy = data.slice();
    const id = await idOf(mediaType, copy);
    await this.remove(tenant, id);
    this.#artifacts.set(keyOf(tenant, id), { mediaType, data: copy });
    this.#bytes += copy.length;
    for (const [key, oldest] of this.#artifacts) {
      if (this.#bytes <= this.#maxBytes || this.#artifacts.size === 1) break;
      this.#artifacts.delete(key);
      this.#bytes -= oldest.data.length;
    }
    return { id, mediaType, size: copy.length };
  }

  /** Returns a copy of the content. */
  async get(tenant: string, id: string): Promise<Artifact | undefined> {
    const known = this.#artifacts.get(keyOf(tenant, id));
    return known && { mediaType: known.mediaType, data: known.data.slice() };
  }

  /** Removes the content. */
  async remove(tenant: string, id: string): Promise<void> {
    const key = keyOf(tenant, id);
    this.#bytes -= this.#artifacts.get(key)?.data.length ?? 0;
    this.#artifacts.delete(key);
  }
}

/** Returns the SHA-256 of media type and content, in hexadecimal. */
async function idOf(mediaType: string, data: Uint8Array): Promise<string> {
  const head = new TextEncoder().encode(`${mediaType}\n`);
  const bytes = new Uint8Array(head.length + data.length);
  bytes.set(head);
  bytes.set(data, head.length);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keyOf(tenant: string, id: string): string {
  return JSON.stringify([tenant, id]);
}
