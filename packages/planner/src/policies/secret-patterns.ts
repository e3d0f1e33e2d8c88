import { requireKnownKeys } from "penguiflow/adapter";
import type { Policy } from "../plan/policy.ts";

/** Options of `secretPatterns`. */
export interface SecretPatternsOptions {
  /** Shapes of your own secrets, besides the well-known ones. @defaultValue none */
  readonly patterns?: readonly RegExp[] | undefined;
  /** Texts in which secrets are masked. @defaultValue prompts, results and answers */
  readonly at?: readonly ("prompt" | "result" | "answer")[] | undefined;
}

const PLACES = ["prompt", "result", "answer"] as const;

const MASK = "[secret]";

/** Well-known shapes. Each begins with a fixed text or a look-behind of bounded length, so that no input is slow. */
const WELL_KNOWN: readonly RegExp[] = [
  // a private key, also one that was cut
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/,
  // JSON Web Token
  /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/,
  // OpenAI, Anthropic and others
  /\bsk-[\w-]{20,}/,
  // GitHub, GitLab, npm, PyPI, Hugging Face
  /\bgh[oprsu]_\w{30,}/,
  /\bgithub_pat_\w{22,}/,
  /\bglpat-[\w-]{20,}/,
  /\bnpm_\w{30,}/,
  /\bpypi-[\w-]{50,}/,
  /\bhf_\w{30,}/,
  // Slack, Stripe, Google, AWS
  /\bxox[abceoprs]-[\w-]{10,}/,
  /\b[prs]k_(?:live|test)_\w{16,}/,
  /\bAIza[\w-]{35}/,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  // header of a request
  /(?<=\bBearer )[\w.~+/-]{16,}=*/i,
  // password of a URL
  /(?<=:\/\/[^\s/:@]{1,64}:)[^\s/@]+(?=@)/,
];

/**
 * Makes a policy that masks secrets as `[secret]`: the well-known shapes of tokens and keys, and your own. It knows
 * shapes alone: a secret without one passes. Answers are shown to policies by sentence, so a pattern has to fit in one.
 *
 * @throws TypeError for an unknown option or place, and for a pattern that is no RegExp
 */
export function secretPatterns(options: SecretPatternsOptions = {}): Policy {
  requireKnownKeys("secretPatterns", options, ["patterns", "at"]);
  const { patterns = [], at = PLACES } = options;
  for (const place of at)
    if (!PLACES.includes(place))
      throw new TypeError(
        `Option "at" of secretPatterns must be a list of ${PLACES.join(", ")}: got ${JSON.stringify(place)}`,
      );
  for (const pattern of patterns)
    if (!(pattern instanceof RegExp))
      throw new TypeError(
        `Option "patterns" of secretPatterns must be a list of RegExp: got ${JSON.stringify(pattern)}`,
      );
  const shapes = [...patterns, ...WELL_KNOWN].map(everywhere);
  const places = new Set<string>(at);
  return (call) => {
    if (!("text" in call) || !places.has(call.at)) return "allow";
    const masked = shapes.reduce((text, shape) => text.replace(shape, mask), call.text);
    return masked === call.text ? "allow" : { replace: masked };
  };
}

/** Returns a pattern that finds all that there are. A sticky one would look at the beginning alone. */
function everywhere({ source, flags }: RegExp): RegExp {
  return new RegExp(source, `${flags.replaceAll(/[gy]/g, "")}g`);
}

function mask(found: string): string {
  return found === "" ? "" : MASK;
}
