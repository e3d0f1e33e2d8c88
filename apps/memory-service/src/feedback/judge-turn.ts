import type { MemoryServices } from "../memory-services.ts";
import type { CheckedPrincipal } from "../principal.ts";
import type { FallbackReason } from "../retrieval/fallback.ts";
import { tryRollout } from "../retrieval/reranker.ts";
import { conversationKey } from "../keeping/conversation-key.ts";
import { classifyByRules, FEEDBACK_KINDS, type FeedbackKind } from "./classifier.ts";

const RECALLED_WITHIN_MS = 10 * 60_000;
const MOST_RECALLED = 5;

/** Feedback that a turn gives. */
export interface TurnFeedback {
  readonly kind: FeedbackKind;
  /** Fragments that it is about. */
  readonly about: readonly string[];
  /** Reason for which the rules judged, and not the classifier. */
  readonly fallback?: FallbackReason | undefined;
}

/** A turn of a conversation. */
export interface Turn {
  readonly principal: CheckedPrincipal;
  readonly fragments: readonly {
    readonly text: string;
    readonly role: string;
    readonly conversation?: string | undefined;
  }[];
  readonly now: number;
}

/**
 * Judges whether the user's turn confirms or corrects what was recalled in its conversation within ten minutes: by the
 * classifier if it is rolled out to the user, else by the rules.
 */
export async function judgeTurn(
  services: Pick<MemoryServices, "store" | "classifier" | "telemetry">,
  { principal, fragments, now }: Turn,
  signal: AbortSignal,
): Promise<TurnFeedback> {
  const turn = fragments.find(({ role, conversation }) => role === "user" && conversation !== undefined);
  if (turn?.conversation === undefined) return { kind: "none", about: [] };
  const { conversation, text } = turn;
  const recalled = await services.store.read(principal.tenant, async (rows) => {
    const key = await conversationKey(rows, principal.user, conversation);
    const ids = await rows.events.recalledIn(principal.user, key, now - RECALLED_WITHIN_MS, MOST_RECALLED);
    const seen = await rows.fragments.forViewer(principal, ids, now);
    return ids.flatMap((id) => seen.filter((fragment) => fragment.id === id && fragment.owner === principal.user));
  });
  if (recalled.length === 0) return { kind: "none", about: [] };
  const texts = recalled.map((fragment) => fragment.text);
  const judged = await tryRollout(
    services.classifier,
    principal,
    signal,
    async (classifier, until) => await classifier.classify(text, texts, until),
    (kind) => FEEDBACK_KINDS.includes(kind),
  );
  const about = recalled.map(({ id }) => id);
  if ("value" in judged) return { kind: judged.value, about };
  services.telemetry.fellBack({ stage: "classify", reason: judged.reason });
  return { kind: classifyByRules(text), about, fallback: judged.reason };
}
