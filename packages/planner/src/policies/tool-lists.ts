import type { Policy } from "../plan/policy.ts";

/** Text of a name, or of one with `*` for any characters. */
const GLOB = /^[\w*-]+$/;

/**
 * Makes a policy that hides and denies every tool but these. A name is the one that the model uses, with the prefix of its
 * source; `*` stands for any characters: `["search", "gh_get_*"]`.
 *
 * @throws TypeError for a name that no tool can have
 */
export function allowTools(names: readonly string[]): Policy {
  const isNamed = matcherOf("allowTools", names);
  return deniesUnless((name) => isNamed(name));
}

/**
 * Makes a policy that hides and denies these tools, named as for `allowTools`.
 *
 * @throws TypeError for a name that no tool can have
 */
export function denyTools(names: readonly string[]): Policy {
  const isNamed = matcherOf("denyTools", names);
  return deniesUnless((name) => !isNamed(name));
}

function deniesUnless(isAllowed: (name: string) => boolean): Policy {
  return (call) =>
    !("tool" in call) || isAllowed(call.tool.name) ? "allow" : { deny: `the tool "${call.tool.name}" is not allowed` };
}

function matcherOf(policy: string, names: readonly string[]): (name: string) => boolean {
  const given: unknown = names;
  // a single text would be a list of its letters
  if (!Array.isArray(given)) throw new TypeError(`Names of ${policy} must be a list: got ${JSON.stringify(given)}`);
  for (const name of names)
    if (typeof name !== "string" || !GLOB.test(name))
      throw new TypeError(
        `Names of ${policy} must be of letters, digits, "_", "-" and "*": got ${JSON.stringify(name)}`,
      );
  const patterns = names.map((name) => new RegExp(`^${name.replaceAll(/\*+/g, ".*")}$`));
  return (name) => patterns.some((pattern) => pattern.test(name));
}
