import { requireKnownKeys } from "penguiflow/adapter";
import type { Json } from "../plan/json.ts";
import { requireName } from "./define-tool.ts";
import type { Checked, Tool } from "./tool.ts";

/** Instructions for a kind of task, such as a `SKILL.md` of the Agent Skills format (agentskills.io). */
export interface Skill {
  /** Name by which the model asks for it. */
  readonly name: string;
  /** When to use it. The model reads it in each step. */
  readonly description: string;
  /** The instructions. The model reads them when it asks for the skill. */
  readonly text: string | ((signal: AbortSignal) => string | Promise<string>);
}

/** Options of {@link skillTool}. */
export interface SkillToolOptions {
  /** Name of the tool. @defaultValue `"read_skill"` */
  readonly name?: string | undefined;
  /** Characters of a skill that the model gets. @defaultValue 50_000 */
  readonly maxResultChars?: number | undefined;
}

/**
 * Makes a tool with which the model reads the skill that fits its task: names and descriptions are in its description,
 * and instructions enter the conversation only when they are asked for.
 *
 * @throws TypeError for a name that models refuse, for a skill without a name, for two of one name, and for no skill at all
 * @throws RangeError when `maxResultChars` is less than 1
 */
export function skillTool(skills: readonly Skill[], options: SkillToolOptions = {}): Tool {
  const { name = "read_skill", maxResultChars = 50_000 } = options;
  requireKnownKeys(`tool "${name}"`, options, ["name", "maxResultChars"]);
  requireName(name);
  if (!(maxResultChars >= 1))
    throw new RangeError(`Option "maxResultChars" of tool "${name}" must be 1 or more: got ${maxResultChars}`);
  const known = new Map<string, Skill>();
  for (const skill of skills) {
    if (typeof skill.name !== "string" || skill.name === "")
      throw new TypeError(`The name of a skill must be a text that is not empty: got ${JSON.stringify(skill.name)}`);
    if (known.has(skill.name)) throw new TypeError(`Cannot use two skills named "${skill.name}": rename one`);
    known.set(skill.name, skill);
  }
  if (known.size === 0) throw new TypeError(`Cannot make tool "${name}": it needs at least one skill`);
  const names = [...known.keys()];
  return Object.freeze<Tool>({
    name,
    description: [
      "Reads the instructions for a kind of task. Read those that fit before you begin:",
      ...skills.map((skill) => `- ${skill.name}: ${skill.description}`),
    ].join("\n"),
    inputSchema: { type: "object", properties: { name: { type: "string", enum: names } }, required: ["name"] },
    effects: "reads",
    approval: false,
    timeoutMs: 30_000,
    maxRetries: 2,
    ifUnknown: "tell",
    maxResultChars,
    check: (args: Json): Checked => {
      const { name: asked } = (args ?? {}) as { readonly name?: unknown };
      const skill = typeof asked === "string" ? known.get(asked) : undefined;
      return skill === undefined
        ? { ok: false, problem: `name: expected one of ${names.join(", ")}` }
        : { ok: true, value: skill };
    },
    run: async (skill, { signal }) => {
      const { text } = skill as Skill;
      return { kind: "text", text: typeof text === "string" ? text : await text(signal) };
    },
  });
}
