import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireInteger, requireKnownKeys, requireNumber, requireOneOf } from "../foundation/options.ts";
import {
  checks,
  formatIssues,
  type Schema,
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
} from "../foundation/schema.ts";
import { FlowNode } from "../graph/node.ts";
import type { NodePolicy } from "../graph/node-policy.ts";
import type { Message } from "../message/message.ts";

/** How `joinK` gathers. */
export interface JoinOptions<Input extends Schema<unknown, unknown>> {
  /** The type of the gathered payloads; `shape<Found>()` where nothing is to be checked. */
  readonly input?: Input;
  /** Milliseconds from the first message of a group. @defaultValue no limit */
  readonly timeoutMs?: number;
  /**
   * What becomes of a group that stays short because time has passed or no message can come any more:
   * the trace fails (`JOIN_TIMEOUT`) or ends empty, or the group is sent on as it is.
   *
   * @defaultValue `"fail"`
   */
  readonly whenShort?: "fail" | "emit";
  /**
   * Fate of messages that were on their way when a short group was sent on at its `timeoutMs`. `"drop"` drops them
   * with a `message_drop` event, and the trace does not wait for them. `"group"` has them begin another group.
   * Needs `timeoutMs` and `whenShort: "emit"`.
   *
   * @defaultValue `"drop"`
   */
  readonly late?: "drop" | "group";
  readonly policy?: NodePolicy;
}

/** `Count` times `Item`; an array where the count is not known to the compiler. */
export type Group<Item, Count extends number, Items extends Item[] = []> = number extends Count
  ? Item[]
  : Items["length"] extends Count
    ? Items
    : Group<Item, Count, [...Items, Item]>;

/**
 * A node that gathers `count` messages of a trace and sends their payloads on as one array, in order of
 * arrival. The messages wait outside of edges and worker slots, are released with their trace, and keep
 * it alive. Metas are merged; where they differ, later arrivals win.
 *
 * @param count - how many messages make a group, or how to tell from its first message
 * @throws RangeError when the count is not a whole number of 1 or more
 */
export function joinK<const Name extends string, Item, const Count extends number = number>(
  name: Name,
  count: Count,
  options?: JoinOptions<Schema<unknown, unknown>> & { readonly input?: undefined; readonly whenShort?: "fail" },
): FlowNode<Name, Item, Group<Item, Count>>;
/**
 * Gathers payloads that a schema checks, one by one; the type of the array knows its length.
 *
 * @throws TypeError, RangeError when count or options are unusable
 */
export function joinK<const Name extends string, Input extends Schema<unknown, unknown>, const Count extends number>(
  name: Name,
  count: Count,
  options: JoinOptions<Input> & { readonly input: Input; readonly whenShort?: "fail" },
): FlowNode<Name, SchemaInput<Input>, Group<SchemaOutput<Input>, Count>>;
/**
 * Gathers groups whose length differs: the count comes from a group's first message, or a group that stays
 * short is sent on. A count of 0 sends an empty array on at once: the message that says so stands for a group without
 * messages, such as the fan-out of an empty list, and is not part of it.
 *
 * @throws TypeError, RangeError when count or options are unusable
 */
export function joinK<const Name extends string, Input extends Schema<unknown, unknown>>(
  name: Name,
  count: number | ((first: Message<SchemaInput<Input>>) => number),
  options: JoinOptions<Input> & { readonly input: Input },
): FlowNode<Name, SchemaInput<Input>, SchemaOutput<Input>[]>;
export function joinK(
  name: string,
  count: number | ((first: Message<never>) => number),
  options: JoinOptions<Schema<unknown, unknown>> = {},
): unknown {
  requireKnownKeys(`join "${name}"`, options, ["input", "timeoutMs", "whenShort", "late", "policy"]);
  if (typeof count !== "function") requireInteger(`count" of join "${name}`, count, 1);
  if (options.timeoutMs !== undefined) requireNumber(`timeoutMs" of join "${name}`, options.timeoutMs, 1);
  requireOneOf(`whenShort" of join "${name}`, options.whenShort ?? "fail", ["fail", "emit"]);
  requireOneOf(`late" of join "${name}`, options.late ?? "drop", ["drop", "group"]);
  if (options.late !== undefined && (options.timeoutMs === undefined || options.whenShort !== "emit"))
    throw new TypeError(
      `Cannot use option "late" of join "${name}": only a group sent on at a timeout leaves late messages; set timeoutMs and whenShort: "emit", or remove it`,
    );
  const { input } = options;
  return new FlowNode({
    name,
    kind: "join",
    style: "message",
    // the payloads are checked here, one by one: the node's own schema would be that of the group
    handler: checks(input)
      ? (message: Message<never>) => checkEach(message, name, input["~standard"].validate)
      : (message: Message<never>) => message,
    policy: { ...options.policy, validate: "none" },
    gathering: {
      count: count as number | ((first: Message) => number),
      timeoutMs: options.timeoutMs,
      whenShort: options.whenShort ?? "fail",
      late: options.late ?? "drop",
    },
  });
}

/** The message with all payloads parsed; a promise if the schema is asynchronous. */
function checkEach(
  message: Message<readonly unknown[]>,
  name: string,
  validate: Schema["~standard"]["validate"],
): Message | Promise<Message> {
  const results = message.payload.map((payload) => validate(payload));
  const withAll = (checked: readonly SchemaResult<unknown>[]): Message => {
    const parsed = checked.map((result, index) => {
      if (result.issues !== undefined) throw invalidMember(name, index, result.issues);
      return result.value;
    });
    return parsed.every((payload, index) => payload === message.payload[index])
      ? message
      : message.with({ payload: parsed });
  };
  return results.every(isSync)
    ? withAll(results)
    : Promise.all(results.map((result) => Promise.resolve(result))).then(withAll);
}

function isSync(result: SchemaResult<unknown> | Promise<unknown>): result is SchemaResult<unknown> {
  return !(result instanceof Promise);
}

function invalidMember(name: string, index: number, issues: readonly SchemaIssue[]): FlowError {
  return new FlowError({
    code: FlowErrorCode.INPUT_INVALID,
    message: `Message ${index + 1} of join "${name}" does not fit its schema: ${formatIssues(issues)}`,
    node: name,
  });
}
