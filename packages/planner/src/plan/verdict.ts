import type { Policy, PolicyCall, Verdict } from "./policy.ts";

/** Asks all policies, and returns the strictest verdict. A policy that throws denies. */
export async function verdictOf(policies: readonly Policy[], call: PolicyCall): Promise<Verdict> {
  let strictest: Verdict = "allow";
  for (const policy of policies) {
    const verdict = await asked(policy, call);
    if (strictness(verdict) > strictness(strictest)) strictest = verdict;
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

function strictness(verdict: Verdict): number {
  if (verdict === "allow") return 0;
  if (verdict === "ask") return 2;
  if ("replace" in verdict) return 1;
  return "deny" in verdict ? 3 : 4;
}
