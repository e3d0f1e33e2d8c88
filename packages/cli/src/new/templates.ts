/** Templates of `penguiflow new`, with what each shows. Their files are in `templates/`. */
export const TEMPLATES = {
  react: "an agent with two tools, one of which a person approves",
  minimal: "three nodes in a line, and a stream",
  flow: "retries, timeouts, tenants, and a simulation",
  parallel: "three branches and a join",
  controller: "a loop with a budget",
  rag: "an agent that searches documents with a flow, and cites them",
  service: "a flow behind HTTP, A2A and AG-UI, with OpenTelemetry, SQLite and a drain",
} as const;

/** Name of a template. */
export type Template = keyof typeof TEMPLATES;

/** Templates of agents, which share their model. */
export const AGENTS: readonly Template[] = ["react", "rag"];

/** Additions to a project of any template, with what each adds. Their files are in `templates/with/`. */
export const ADDITIONS = {
  streaming: "a server that answers with server-sent events",
  hitl: "a person who reviews each result before it goes out",
  a2a: "an agent of the A2A protocol",
  agui: "an agent for chat front ends that speak AG-UI",
  durable: "runs that outlast their process, in a SQLite file",
  mcp: "a tool of an MCP server",
} as const;

/** Name of an addition. */
export type Addition = keyof typeof ADDITIONS;
