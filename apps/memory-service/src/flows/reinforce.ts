import { z } from "zod";
import { keepOnce } from "../keeping/keep-once.ts";
import type { MemoryServices } from "../memory-services.ts";
import { name, principal } from "../schemas.ts";
import { reinforced, strengthAt } from "../strength.ts";
import { changeFlow } from "./change-flow.ts";

const request = z.object({ principal, id: name, value: z.number().min(-1).max(1), idempotencyKey: name.optional() });
const answer = z.object({ strength: z.number().min(0).max(1) });

/** Builds `memory.reinforce`: strengthens or weakens a fragment, once per key. */
export function reinforceFlow(services: MemoryServices) {
  return changeFlow(services, {
    name: "memory.reinforce",
    request,
    answer,
    apply: async (fragment, { principal: { user }, id, value, idempotencyKey }, { rows, now, traceId, attemptKey }) => {
      // without a key of the caller's, a further attempt of the same request still counts once
      const [operation, key] =
        idempotencyKey === undefined ? ["reinforce-attempt", attemptKey] : ["reinforce", idempotencyKey];
      const once = { owner: user, operation, idempotencyKey: key, body: `${id} ${value}`, now };
      const { answer: given, isRepeated } = await keepOnce(
        rows,
        once,
        (known) => answer.parse(known),
        async () => {
          const strength = reinforced(strengthAt(fragment, now), value);
          await rows.fragments.setStrength(fragment.seq, strength, now);
          const detail = { value };
          await rows.events.add({
            type: "reinforced",
            seq: fragment.seq,
            owner: user,
            actor: user,
            at: now,
            traceId,
            detail,
          });
          return { strength };
        },
      );
      return { answer: given, events: isRepeated ? [] : ["reinforced"] };
    },
  });
}
