import type { Policy, PolicyCall, Verdict } from "../plan/policy.ts";
import { verdictOf } from "../plan/verdict.ts";

/**
 * Makes a policy that asks another one and allows everything: `onVerdict` receives what the other would have decided. An
 * error of `onVerdict` is dropped, so that watching changes no run.
 */
export function shadow(
  policy: Policy,
  onVerdict: (verdict: Verdict, call: PolicyCall) => void | Promise<void>,
): Policy {
  return async (call): Promise<Verdict> => {
    const verdict = await verdictOf([policy], call);
    try {
      await onVerdict(verdict, call);
    } catch {
      // an observer decides nothing
    }
    return "allow";
  };
}
