import type { Policy, PolicyCall, Verdict } from "./policy.ts";

/**
 * Asks all policies, and returns the strictest verdict: at once if there are none. A policy that throws denies. Of
 * several that replace a text each replaces what the one before has left: the first alone would undo what the others
 * mask.
 */
export function verdictOf(policies: readonly Policy[], call: PolicyCall): Verdict | Promise<Verdict> {
  return policies.length === 0 ? "allow" : strictestOf(policies, call);
}

async function strictestOf(policies: readonly Policy[], call: PolicyCall): Promise<Verdict> {
  let strictest: Verdict = "allow";
  for (const policy of policies) {
    let verdict = await asked(policy, call);
    if ("text" in call && replaces(verdict) && replaces(strictest))
      verdict = await asked(policy, { ...call, text: strictest.replace });
    const more = strictness(verdict) - strictness(strictest);
    if (more > 0 || (more === 0 && replaces(verdict))) strictest = verdict;
  }
  return strictest;
}

async function asked(policy: Policy, call: PolicyCall): Promise<Verdict> {
  try {
    return await policy(call);
  } catch {
    // its reason may hold what the policy was to keep from the model
    return { deny: "a policy failed" };
  }
}

function replaces(verdict: Verdict): verdict is { readonly replace: string } {
  return typeof verdict === "object" && "replace" in verdict;
}

function strictness(verdict: Verdict): number {
  if (verdict === "allow") return 0;
  if (verdict === "ask") return 2;
  if ("replace" in verdict) return 1;
  return "deny" in verdict ? 3 : 4;
}
