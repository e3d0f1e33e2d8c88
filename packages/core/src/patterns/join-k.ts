import { Joining } from "../engine/delivery/joining.ts";
import { provideParts } from "../engine/parts.ts";
import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireInteger, requireKnownKeys, requireNumber, requireOneOf, shown } from "../foundation/options.ts";
import {
  checks,
  formatIssues,
  isSchema,
  type Schema,
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
} from "../foundation/schema.ts";
import { FlowNode } from "../graph/node.ts";
import { type Policy, policyObject } from "../graph/node-policy.ts";
import type { Message } from "../message/message.ts";

/** Options of `joinK`. */
export interface JoinOptions<Input extends Schema<unknown, unknown>> {
  /** Schema of the gathered payloads; `shape<Found>()` where nothing needs checking. */
  readonly input?: Input;
  /** Milliseconds from the first message of a group. @defaultValue no limit */
  readonly timeoutMs?: number;
  /**
   * Fate of a group that stays short at its timeout, or because no further message can arrive. `"fail"` fails the trace
   * with `JOIN_TIMEOUT`, or ends it empty. `"emit"` sends the group on as it is.
   *
   * @defaultValue `"fail"`
   */
  readonly whenShort?: "fail" | "emit";
  /**
   * Fate of messages that were in flight when a short group was emitted at its `timeoutMs`. `"drop"` drops them with a
   * `message_drop` event, and the trace does not wait for them. `"group"` starts another group with them. Requires
   * `timeoutMs` and `whenShort: "emit"`.
   *
   * @defaultValue `"drop"`
   */
  readonly late?: "drop" | "group";
  /** Policy of the node. Its functions receive the whole group as a message. */
  readonly policy?: Policy;
}

/** `Count` times `Item`; an array when the compiler does not know the count. */
export type Group<Item, Count extends number, Items extends Item[] = []> = number extends Count
  ? Item[]
  : Items["length"] extends Count
    ? Items
    : Group<Item, Count, [...Items, Item]>;

/**
 * Creates a node that gathers `count` messages of a trace and sends their payloads on as one array, in order of
 * arrival. The messages wait outside of edges and worker slots; they are released with their trace and keep it alive.
 * Metas are merged; on conflict, later arrivals win.
 *
 * @param count - the number of messages per group, or a function that derives it from the group's first message
 * @throws RangeError when the count is not a whole number of 1 or more
 */
export function joinK<const Name extends string, Item, const Count extends number = number>(
  name: Name,
  count: Count,
  options?: JoinOptions<Schema<unknown, unknown>> & { readonly input?: undefined; readonly whenShort?: "fail" },
): FlowNode<Name, Item, Group<Item, Count>>;
/**
 * Gathers payloads that a schema checks one by one; the array's type includes its length.
 *
 * @throws TypeError, RangeError when count or options are unusable
 */
export function joinK<const Name extends string, Input extends Schema<unknown, unknown>, const Count extends number>(
  name: Name,
  count: Count,
  options: JoinOptions<Input> & { readonly input: Input; readonly whenShort?: "fail" },
): FlowNode<Name, SchemaInput<Input>, Group<SchemaOutput<Input>, Count>>;
/**
 * Gathers groups of varying length: the count comes from a group's first message, or a short group is emitted. A count
 * of 0 emits an empty array at once. The message that says so represents a group without messages, such as the fan-out
 * of an empty list, and is not part of it.
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
      `Cannot use option "late" of join "${name}": only a group emitted at a timeout leaves late messages; set timeoutMs and whenShort: "emit", or remove it`,
    );
  const { input } = options;
  if (input !== undefined && !isSchema(input))
    throw new TypeError(`Option "input" of join "${name}" must be a Standard Schema or shape(): got ${shown(input)}`);
  provideParts({ joining: (engine) => new Joining(engine) });
  return new FlowNode({
    name,
    kind: "join",
    style: "message",
    // checks each payload here, because the node's own schema would apply to the whole group
    handler: checks(input)
      ? (message: Message<never>) => checkEach(message, name, input["~standard"].validate)
      : (message: Message<never>) => message,
    policy: { ...policyObject(options.policy), validate: "none" },
    gathering: {
      count: count as number | ((first: Message) => number),
      timeoutMs: options.timeoutMs,
      whenShort: options.whenShort ?? "fail",
      late: options.late ?? "drop",
    },
  });
}

/** Returns the message with all payloads parsed; a promise if the schema is asynchronous. */
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
