/** Templates of `penguiflow new`, with what each shows. Their files are in `templates/`. */
export const TEMPLATES = {
  react: "an agent with two tools, one of which a person approves",
  minimal: "three nodes in a line, and a stream",
  flow: "retries, timeouts, tenants, and a simulation",
  parallel: "three branches and a join",
  controller: "a loop with a budget",
} as const;

/** Name of a template. */
export type Template = keyof typeof TEMPLATES;
