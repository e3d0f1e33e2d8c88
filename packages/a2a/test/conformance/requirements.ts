/** Scope of a rule: each binding, one of them, or the agent as a whole. */
type Place = "both" | "JSON-RPC" | "HTTP+JSON" | "agent";

/** A requirement of A2A 1.0, as the compatibility kit numbers it. */
export interface Requirement {
  /** Section of the specification. */
  readonly section: string;
  /** Rule in our words. */
  readonly rule: string;
  readonly at: Place;
  /** Level. @defaultValue `"must"` */
  readonly level?: "should" | "may";
  /** Reason why no test can show it here. */
  readonly notShown?: string;
}

/**
 * All requirements of the kit (for specification 1.0.1) except gRPC: every MUST, and the others that are cheap to
 * check.
 */
export const REQUIREMENTS = {
  "CORE-SEND-001": {
    section: "3.1.1",
    at: "both",
    rule: "a message is answered with a task or a message, one of them",
  },
  "CORE-SEND-002": { section: "3.1.1", at: "both", rule: "a task that is over takes no message" },
  "CORE-SEND-003": {
    section: "3.1.1",
    at: "both",
    rule: "a part of a media type that the card does not name is refused",
  },
  "CORE-STREAM-001": { section: "3.1.2", at: "both", rule: "a streaming message opens a stream of events" },
  "CORE-STREAM-002": { section: "3.1.2", at: "both", rule: "a stream that answers with a message has that alone" },
  "CORE-STREAM-003": {
    section: "3.1.2",
    at: "both",
    rule: "a task's stream begins with it and closes when it is over",
  },
  "CORE-GET-001": { section: "3.1.3", at: "both", rule: "a task is read with its status and artifacts" },
  "CORE-GET-002": { section: "3.1.3", at: "both", rule: "a task that is not there is not found" },
  "CORE-LIST-001": { section: "3.1.4", at: "both", rule: "a caller lists its own tasks alone" },
  "CORE-LIST-002": {
    section: "3.1.4",
    at: "both",
    rule: "pages follow one another by tokens, without gap or repetition",
  },
  "CORE-LIST-003": { section: "3.1.4", at: "both", rule: "the task whose status is newest comes first" },
  "CORE-LIST-004": { section: "3.1.4", at: "both", rule: "the last page has the empty token" },
  "CORE-LIST-005": {
    section: "3.1.4",
    at: "both",
    rule: "artifacts are listed when asked for, else the field is left out",
  },
  "CORE-CANCEL-001": { section: "3.1.5", at: "both", rule: "a cancelled task is answered, as it is now" },
  "CORE-CANCEL-002": { section: "3.1.5", at: "both", rule: "a task that is over cannot be cancelled" },
  "CORE-CANCEL-003": { section: "3.1.5", at: "both", rule: "a task that is not there is not found" },
  "CORE-EXECUTION-MODE-001": {
    section: "3.2.2",
    at: "both",
    rule: "a send waits until its task is over or interrupted",
  },
  "CORE-EXECUTION-MODE-002": {
    section: "3.2.2",
    at: "both",
    rule: "a send that is not to wait is answered while its task is worked on",
  },
  "CORE-ERR-001": { section: "3.3.2", at: "both", rule: "an error says what it is and what is wrong" },
  "CORE-ERR-002": {
    section: "3.3.2",
    at: "both",
    rule: "parameters that are no good are refused before anything is done",
  },
  "CORE-CAP-001": {
    section: "3.3.4",
    at: "both",
    rule: "an agent without notifications says so to all that ask for them",
  },
  "CORE-CAP-002": {
    section: "3.3.4",
    at: "both",
    rule: "an agent that does not stream says so",
    notShown: "every agent of this library streams, and its card says so",
  },
  "CORE-CAP-003": { section: "3.3.4", at: "both", rule: "an agent without an extended card says so" },
  "CORE-CAP-004": { section: "3.3.4", at: "both", rule: "a caller that does not know a required extension is told" },
  "CORE-MULTI-001": { section: "3.4.1", at: "both", level: "may", rule: "a message without a context gets one" },
  "CORE-MULTI-001a": { section: "3.4.1", at: "both", rule: "a context that the agent has made stands in the answer" },
  "CORE-MULTI-002": { section: "3.4.1", at: "both", level: "may", rule: "a caller's context is kept" },
  "CORE-MULTI-002a": { section: "3.4.1", at: "both", rule: "a caller's context is never replaced by another" },
  "CORE-MULTI-003": { section: "3.4.2", at: "both", rule: "every new task has an id of its own" },
  "CORE-MULTI-004": { section: "3.4.2", at: "both", rule: "a message to a task that is not there is refused" },
  "CORE-MULTI-005": { section: "3.4.3", at: "both", rule: "a message that names a task is in that task's context" },
  "CORE-MULTI-006": {
    section: "3.4.3",
    at: "both",
    rule: "a message that names a task and another context is refused",
  },
  "CORE-HIST-001": {
    section: "3.2.4",
    at: "both",
    level: "should",
    rule: "a task that is read with a history of 0 has none",
  },
  "CORE-HIST-002": {
    section: "3.2.4",
    at: "both",
    rule: "no more history is answered than asked for, the newest of it",
  },
  "CORE-HIST-003": {
    section: "3.2.4",
    at: "both",
    level: "should",
    rule: "a send with a history of 0 is answered without",
  },
  "CORE-HIST-004": { section: "3.2.4", at: "both", level: "may", rule: "messages are kept in the history" },
  "CORE-HIST-005": { section: "3.2.4", at: "both", level: "should", rule: "the history is in the order of the talk" },
  "CORE-HIST-006": { section: "3.2.4", at: "both", level: "should", rule: "the history says what was said" },

  "STREAM-ORDER-001": { section: "3.5.2", at: "both", rule: "events come in the order in which they happened" },
  "STREAM-ORDER-002": { section: "3.5.2", at: "both", rule: "all streams of a task are told" },
  "STREAM-ORDER-003": {
    section: "3.5.2",
    at: "both",
    rule: "all streams of a task are told the same, in the same order",
  },
  "STREAM-ORDER-004": { section: "3.5.2", at: "both", rule: "a stream that is closed leaves the others as they are" },
  "STREAM-SUB-001": { section: "3.1.6", at: "both", rule: "who subscribes is told the task first, as it is" },
  "STREAM-SUB-002": { section: "3.1.6", at: "both", rule: "a subscription closes when its task is over" },
  "STREAM-SUB-003": { section: "3.1.6", at: "both", rule: "nobody can subscribe to a task that is over" },
  "STREAM-SUB-004": { section: "3.1.6", at: "both", rule: "nobody can subscribe to a task that is not there" },

  "PUSH-CREATE-001": { section: "3.1.7", at: "both", rule: "a caller can name a url that is told of a task" },
  "PUSH-CREATE-002": { section: "3.1.7", at: "both", rule: "the wish holds until the task is over" },
  "PUSH-GET-001": { section: "3.1.8", at: "both", rule: "the wish can be read, url and all" },
  "PUSH-GET-002": { section: "3.1.8", at: "both", rule: "a wish that is not there is not found" },
  "PUSH-LIST-001": { section: "3.1.9", at: "both", rule: "all wishes of a task can be listed" },
  "PUSH-DEL-001": { section: "3.1.10", at: "both", rule: "a wish that is deleted is gone" },
  "PUSH-DEL-002": { section: "3.1.10", at: "both", rule: "deleting again does no harm" },
  "PUSH-DELIVER-001": { section: "4.3.3", at: "both", rule: "a notification carries the credentials of the wish" },
  "PUSH-DELIVER-002": { section: "4.3.3", at: "both", rule: "every url of a task is told" },
  "PUSH-DELIVER-003": { section: "4.3.3", at: "both", rule: "a notification is an event as in a stream" },

  "CARD-DISC-001": { section: "8.1", at: "agent", rule: "the card is at the well-known path" },
  "CARD-PROTO-001": { section: "8.3", at: "agent", rule: "the card names the bindings" },
  "CARD-PROTO-002": { section: "8.3.1", at: "agent", rule: "each interface of the card is where and what it says" },
  "CARD-STRUCT-001": {
    section: "4.4.1",
    at: "agent",
    rule: "the card has all that a card must have, and nothing else",
  },
  "CARD-EXT-001": {
    section: "3.1.11",
    at: "both",
    rule: "an extended card is for callers who are known",
    notShown: "an agent of this library has no extended card, and says so (CORE-CAP-003)",
  },
  "CARD-EXT-002": {
    section: "3.1.11",
    at: "both",
    rule: "an agent that declares an extended card and has none says so",
    notShown: "an agent of this library declares no extended card (CORE-CAP-003)",
  },
  "CARD-SIGN-001": {
    section: "8.4.1",
    at: "agent",
    rule: "what is signed is the canonical form of the card",
    notShown: "cards of this library are not signed, which is optional",
  },
  "CARD-SIGN-002": {
    section: "8.4.1",
    at: "agent",
    rule: "signatures are not part of what is signed",
    notShown: "cards of this library are not signed, which is optional",
  },
  "CARD-SIGN-003": {
    section: "8.4.2",
    at: "agent",
    rule: "a signature names its algorithm and key",
    notShown: "cards of this library are not signed, which is optional",
  },
  "CARD-SIGN-004": {
    section: "8.4.3",
    at: "agent",
    rule: "expired and revoked keys verify nothing",
    notShown: "a rule for clients",
  },
  "CARD-CACHE-001": { section: "8.6.1", at: "agent", level: "should", rule: "the card says how long it may be kept" },
  "CARD-CACHE-002": {
    section: "8.6.1",
    at: "agent",
    level: "should",
    rule: "the card has a tag, by which it is asked for again",
  },

  "DM-TASK-001": { section: "4.1.1", at: "both", rule: "a task has an id and a status" },
  "DM-TASK-002": { section: "4.1.3", at: "both", rule: "a task's state is one of those there are" },
  "DM-MSG-001": { section: "4.1.4", at: "both", rule: "a message has an id, a role and parts" },
  "DM-MSG-002": { section: "4.1.5", at: "both", rule: "a role is that of the user or of the agent" },
  "DM-PART-001": { section: "4.1.6", at: "both", rule: "a part is text, bytes, a url or data, one of them" },
  "DM-ART-001": { section: "4.1.7", at: "both", rule: "an artifact has an id and parts" },
  "DM-STATUS-001": { section: "4.1.2", at: "both", rule: "a status has a state" },
  "DM-SERIAL-001": { section: "5.5", at: "both", rule: "fields are in camel case" },
  "DM-SERIAL-002": { section: "5.5", at: "both", rule: "values of enumerations are their names" },
  "DM-SERIAL-003": { section: "5.6.1", at: "both", rule: "times are ISO 8601 in UTC, to the millisecond" },
  "DM-SERIAL-004": {
    section: "5.7",
    at: "both",
    rule: "fields that must be there are, and lists that must have something have",
  },
  "DM-SERIAL-005": { section: "5.7", at: "both", level: "should", rule: "fields that nobody knows are passed over" },

  "JSONRPC-FMT-001": { section: "9.3", at: "JSON-RPC", rule: "requests and answers are those of JSON-RPC 2.0" },
  "JSONRPC-FMT-002": { section: "9.1", at: "JSON-RPC", rule: "requests and answers are application/json" },
  "JSONRPC-SVC-001": { section: "9.1", at: "JSON-RPC", rule: "methods have the names of the specification" },
  "JSONRPC-SVC-002": { section: "9.2", at: "JSON-RPC", rule: "version and extensions are taken from headers" },
  "JSONRPC-ERR-001": {
    section: "9.5",
    at: "JSON-RPC",
    rule: "an error has code, message and, if any, data, and nothing else",
  },
  "JSONRPC-ERR-002": { section: "9.5", at: "JSON-RPC", rule: "errors of A2A have codes from -32001 to -32099" },
  "JSONRPC-ERR-003": { section: "9.5", at: "JSON-RPC", level: "should", rule: "errors of A2A carry their reason" },
  "JSONRPC-SSE-001": { section: "9.4.2", at: "JSON-RPC", rule: "each event of a stream is an answer of JSON-RPC" },
  "JSONRPC-SSE-002": { section: "5.4", at: "JSON-RPC", rule: "each error of A2A has its code" },

  "HTTP_JSON-URL-001": { section: "11.3", at: "HTTP+JSON", rule: "operations have the paths of the specification" },
  "HTTP_JSON-URL-002": { section: "11.3", at: "HTTP+JSON", rule: "operations have the methods of the specification" },
  "HTTP_JSON-SVC-001": {
    section: "11.1",
    at: "HTTP+JSON",
    level: "should",
    rule: "requests and answers are application/a2a+json",
  },
  "HTTP_JSON-SVC-002": { section: "11.2", at: "HTTP+JSON", rule: "version and extensions are taken from headers" },
  "HTTP_JSON-QP-001": { section: "11.5", at: "HTTP+JSON", rule: "parameters of the query are in camel case" },
  "HTTP_JSON-ERR-001": { section: "11.6", at: "HTTP+JSON", rule: "an error has code, status, message and details" },
  "HTTP_JSON-ERR-002": { section: "11.6", at: "HTTP+JSON", rule: "errors of A2A carry their reason" },
  "HTTP_JSON-STATUS-001": { section: "5.4", at: "HTTP+JSON", rule: "each error of A2A has its HTTP status" },
  "HTTP_JSON-SSE-001": {
    section: "11.7",
    at: "HTTP+JSON",
    rule: "each event of a stream is JSON in the data of a server-sent event",
  },

  "VER-CLIENT-001": { section: "3.6.1", at: "agent", rule: "a client sends the version with each request" },
  "VER-CLIENT-002": { section: "3.6", at: "both", rule: "the patch of a version makes no difference" },
  "VER-SERVER-001": { section: "3.6.2", at: "both", rule: "a request is answered in the version it asks for" },
  "VER-SERVER-002": { section: "3.6.2", at: "both", rule: "a version that is not spoken is refused" },
  "VER-SERVER-003": { section: "3.6.2", at: "both", rule: "no version is version 0.3" },

  "AUTH-TLS-001": {
    section: "7.1",
    at: "agent",
    rule: "traffic is encrypted in production",
    notShown: "up to whoever deploys: the adapter is mounted in any server, and takes its own url",
  },
  "AUTH-SERVER-002": { section: "7.4", at: "both", rule: "every request is authenticated" },
  "AUTH-INTASK-001": { section: "7.6.1", at: "both", rule: "what waits for an authorization is a task" },
  "AUTH-INTASK-002": { section: "7.6.1", at: "both", rule: "a task that waits for an authorization says so" },
  "AUTH-INTASK-003": { section: "7.6.1", at: "both", rule: "it explains what is wanted" },
  "AUTH-INTASK-004": { section: "7.6.1", at: "both", rule: "the credentials come another way" },
  "AUTH-INTASK-006": {
    section: "7.6.1",
    at: "both",
    level: "should",
    rule: "a task that waits for an authorization takes messages",
  },
  "AUTH-SCOPE-001": { section: "13.1", at: "both", rule: "every operation looks at who asks" },
  "AUTH-SCOPE-002": { section: "13.1", at: "both", rule: "nobody gets at what is somebody else's" },
  "AUTH-SCOPE-003": { section: "3.3.2", at: "both", rule: "what is somebody else's looks as if it were not there" },

  "BIND-EQUIV-001": { section: "5.1", at: "agent", rule: "all bindings have all operations" },
  "BIND-EQUIV-002": { section: "5.1", at: "agent", rule: "all bindings give the same answers" },
  "BIND-EQUIV-003": { section: "5.1", at: "agent", rule: "all bindings give the same errors" },
  "BIND-EQUIV-004": { section: "5.1", at: "agent", rule: "all bindings take the same credentials" },
  "BIND-FIELD-001": { section: "5.2", at: "agent", rule: "the card names all bindings there are" },
} as const satisfies Readonly<Record<string, Requirement>>;

export type RequirementId = keyof typeof REQUIREMENTS;
