import { create, type Message, ModelRegistry, node } from "penguiflow";
import { z } from "zod";
import { judgeTurn } from "../feedback/judge-turn.ts";
import { applyFeedback } from "../keeping/apply-feedback.ts";
import { keepOnce } from "../keeping/keep-once.ts";
import { notFound } from "../memory-error.ts";
import type { MemoryServices } from "../memory-services.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import { normalizeText } from "../text/clean-text.ts";
import {
  type AppliedFeedback,
  appliedFeedback,
  type ClassifiedFeedback,
  classifiedFeedback,
  type FeedbackRequest,
  feedbackRequest,
  type FeedbackResponse,
  feedbackResponse,
  type NormalizedFeedback,
  normalizedFeedback,
} from "./feedback-stages.ts";

/** Builds `memory.feedback`: strengthens what helped and weakens what was wrong. */
export function feedbackFlow(services: MemoryServices) {
  const nodes = {
    normalize: normalizeNode(services),
    classify: classifyNode(services),
    apply: applyNode(services),
    finalize: finalizeNode(services),
  };
  const { normalize, classify, apply, finalize } = nodes;
  const flow = create(normalize.to(classify), classify.to(apply), apply.to(finalize), { name: "memory.feedback" });
  const registry = new ModelRegistry()
    .register("normalize", feedbackRequest, normalizedFeedback)
    .register("classify", normalizedFeedback, classifiedFeedback)
    .register("apply", classifiedFeedback, appliedFeedback)
    .register("finalize", appliedFeedback, feedbackResponse);
  return { flow, registry, nodes };
}

function normalizeNode({ clock }: MemoryServices) {
  return node({ name: "normalize", effects: "none" }, ({ payload }: Message<FeedbackRequest>): NormalizedFeedback => {
    const given = payload.about;
    const said = "text" in given ? { ...given, text: normalizeText(given.text) } : given;
    return { ...payload, about: said, now: clock.epochNow() };
  });
}

function classifyNode(services: MemoryServices) {
  return node(
    { name: "classify", effects: "reads", policy: { timeoutMs: 1_500 } },
    async ({ payload }: Message<NormalizedFeedback>, { signal }): Promise<ClassifiedFeedback> => {
      const { about: given } = payload;
      if ("id" in given) return { ...payload, kind: given.helpful ? "confirmed" : "corrected", fragments: [given.id] };
      const turn = { ...payload, fragments: [{ ...given, role: "user" }] };
      const { kind, about: fragments, fallback } = await judgeTurn(services, turn, signal);
      return { ...payload, kind, fragments, fallback };
    },
  );
}

function applyNode(services: MemoryServices) {
  return node(
    { name: "apply", effects: "idempotent", policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 50 } },
    async ({ payload, traceId }: Message<ClassifiedFeedback>, { idempotencyKey }): Promise<AppliedFeedback> => {
      const { principal: owner, about: given, kind, fragments, fallback, now } = payload;
      const once = { owner: owner.user, operation: "feedback-attempt", idempotencyKey, body: kind, now };
      const { answer } = await services.store.write(owner.tenant, async (rows) => {
        const work = async (): Promise<number> =>
          await applyFeedback(rows, owner.user, { kind, about: fragments, fallback }, now, traceId);
        return await keepOnce(rows, once, (known) => z.number().parse(known), work);
      });
      if ("id" in given && answer === 0) throw notFound();
      return { ...payload, applied: answer };
    },
  );
}

function finalizeNode({ telemetry }: MemoryServices) {
  return node({ name: "finalize", effects: "none" }, (message: Message<AppliedFeedback>): Message<FeedbackResponse> => {
    const { kind, applied: count, principal: owner } = message.payload;
    const event = {
      event: "memory_event.feedback_classified" as const,
      payload: { tenant: telemetry.hash(owner.tenant), kind, applied: count },
    };
    return message.with({ payload: { kind, applied: count }, meta: withBusinessEvents(message.meta, [event]) });
  });
}
