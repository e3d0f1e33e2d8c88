/** Expected result of a scenario: the number of its checks that pass, or the reason why it is left out. */
export type Scenario =
  | number
  | { readonly passed: number; readonly fails: readonly string[]; readonly why: string }
  | string;

const TOOLS_ALONE = "the server serves tools alone";

/** Scenarios against `mcpServer`. */
export const ofServers: Readonly<Record<string, Scenario>> = {
  "server-initialize": 1,
  ping: 1,
  "tools-list": 1,
  "tools-call-simple-text": 1,
  "tools-call-image": 1,
  "tools-call-audio": 1,
  "tools-call-embedded-resource": 1,
  "tools-call-mixed-content": 1,
  "tools-call-error": 1,
  "tools-call-with-progress": 1,
  "tools-call-elicitation": 1,
  "json-schema-2020-12": 4,
  "elicitation-sep1034-defaults": 5,
  "elicitation-sep1330-enums": 5,
  "server-sse-multiple-streams": 2,
  "dns-rebinding-protection": 2,
  "server-sse-polling": "optional: a server that closes the stream of a call in its midst; this one keeps it open",
  "tools-call-with-logging": "optional: a call tells its progress, and no log",
  "logging-set-level": "optional: a call tells its progress, and no log",
  "tools-call-sampling": "optional: a flow has its own model",
  "completion-complete": TOOLS_ALONE,
  "resources-list": TOOLS_ALONE,
  "resources-read-text": TOOLS_ALONE,
  "resources-read-binary": TOOLS_ALONE,
  "resources-templates-read": TOOLS_ALONE,
  "resources-subscribe": TOOLS_ALONE,
  "resources-unsubscribe": TOOLS_ALONE,
  "prompts-list": TOOLS_ALONE,
  "prompts-get-simple": TOOLS_ALONE,
  "prompts-get-with-args": TOOLS_ALONE,
  "prompts-get-embedded-resource": TOOLS_ALONE,
  "prompts-get-with-image": TOOLS_ALONE,
};

/**
 * Scenarios against the memory service. Others call tools, and read resources and prompts, by names that the suite
 * gives, which a server of its own tools has not.
 */
export const ofMemory: Readonly<Record<string, Scenario>> = {
  "server-initialize": 1,
  ping: 1,
  "tools-list": 1,
  "resources-list": 1,
  "prompts-list": 1,
  "server-sse-multiple-streams": "a session for several streams at once; this server keeps none",
  "dns-rebinding-protection": 2,
};

/** The same for the revision of 2026, whose suite checks each message against the schema of the protocol, too. */
export const ofNextMemory: Readonly<Record<string, Scenario>> = {
  "tools-list": 4,
  "resources-list": 2,
  "prompts-list": 2,
  caching: 7,
  "dns-rebinding-protection": 2,
  "http-header-validation": 5,
  "sep-2164-resource-not-found": 4,
  "server-sse-multiple-streams": 1,
  "input-required-result-unsupported-methods": 2,
  "server-stateless": {
    passed: 22,
    fails: [
      "sep-2575-server-rejects-undeclared-capability",
      "sep-2575-missing-capability-http-400",
      "sep-2575-http-server-no-independent-requests-on-stream",
      "sep-2575-server-no-log-without-loglevel",
    ],
    why: "not testable: they need tools that the suite names",
  },
};

const NO_MACHINES = "an extension: a source signs users in, and takes tokens of machines from `credentials`";

/** Scenarios against `mcpTools`, in a planner. */
export const ofClients: Readonly<Record<string, Scenario>> = {
  initialize: 1,
  tools_call: 1,
  "elicitation-sep1034-client-defaults": {
    passed: 5,
    fails: ["client-elicitation-sep1034-general"],
    why: "a 2025 server is called again with the answer, and takes the first call for cancelled",
  },
  "sse-retry": "measures time",
  "auth/metadata-default": 10,
  "auth/metadata-var1": 10,
  "auth/metadata-var2": 10,
  "auth/metadata-var3": 10,
  "auth/basic-cimd": 10,
  "auth/scope-from-www-authenticate": 11,
  "auth/scope-from-scopes-supported": 11,
  "auth/scope-omitted-when-undefined": 11,
  "auth/scope-step-up": 12,
  "auth/scope-retry-limit": "each attempt is a question to a person, who ends them; and a step of the budget",
  "auth/token-endpoint-auth-basic": 15,
  "auth/token-endpoint-auth-post": 15,
  "auth/token-endpoint-auth-none": 15,
  "auth/pre-registration": 10,
  "auth/2025-03-26-oauth-metadata-backcompat": "its metadata names another issuer, which is refused: RFC 8414, 3.3",
  "auth/2025-03-26-oauth-endpoint-fallback": 4,
  "auth/resource-mismatch": 3,
  "auth/offline-access-scope": 10,
  "auth/offline-access-not-supported": 11,
  "auth/client-credentials-jwt": NO_MACHINES,
  "auth/client-credentials-basic": NO_MACHINES,
  "auth/cross-app-access-complete-flow": NO_MACHINES,
};
