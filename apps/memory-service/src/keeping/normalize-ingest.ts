import { HASH_LENGTH, type IngestRequest, type NormalizedIngest } from "../flows/ingest-stages.ts";
import { normalizeText } from "../text/clean-text.ts";
import { digest } from "../text/digest.ts";
import { splitSentences } from "../text/split-sentences.ts";
import { uuidV7 } from "../uuid-v7.ts";

const PART_LENGTH = 2_000;

/** Composes and splits texts, and gives each part its id, digest and instant: before the write, so that it can repeat. */
export function normalizeIngest(request: IngestRequest, now: number): NormalizedIngest {
  let place = 0;
  const fragments = request.fragments.flatMap(({ text, ...rest }) => {
    const parts = splitSentences(normalizeText(text), PART_LENGTH).map((part) => ({ part, id: uuidV7(now, place++) }));
    // parts of one text are neighbours, also where the caller names no conversation
    const conversation = rest.conversation ?? (parts.length > 1 ? parts[0]?.id : undefined);
    return parts.map(({ part, id }, at) => ({
      ...rest,
      conversation,
      id,
      text: part,
      // short: indexes are written with every fragment
      hash: digest(part).slice(0, HASH_LENGTH),
      saidAt: rest.saidAt ?? now,
      supersedes: at === 0 ? rest.supersedes : undefined,
    }));
  });
  // only a request with a key is ever compared with another
  const body = request.idempotencyKey === undefined ? "" : JSON.stringify(request.fragments);
  return { ...request, fragments, body, now };
}
