import { isSchema, type Schema, type SchemaInput, type SchemaOutput } from "../foundation/schema.ts";
import { requireFunction, requireKnownKeys, requireOneOf, shown } from "../foundation/options.ts";
import type { Message } from "../message/message.ts";
import type { RemoteSkill } from "../ports/instrument.ts";
import type {
  AnyNode,
  ConnectionOf,
  NodeRef,
  NodeTypes,
  Onward,
  OtherNames,
  PayloadOf,
  Targets,
} from "./edge-typing.ts";
import { connect, Edges } from "./edges.ts";
import type { Context, HandlerResult, MessageHandler, PayloadHandler, Playbook } from "./handler.ts";
import { type Policy, type ResolvedPolicy, resolvePolicy } from "./node-policy.ts";
import { noteSource } from "./source-place.ts";

/** The kind of a node, for tools that draw or check a graph. */
export type NodeKind = "node" | "router" | "join" | "subflow" | "remote";

/**
 * The external side effects of a handler. `"writes"` changes something on every run; `"idempotent"` passes an
 * idempotency key on, so that a repetition changes nothing more.
 */
export type Effects = "none" | "reads" | "writes" | "idempotent";

const EFFECTS: readonly Effects[] = ["none", "reads", "writes", "idempotent"];

/** The grouping of several messages of a trace into one. Set by `joinK`. */
export interface Gathering {
  /** Number of messages per group, or a function that derives it from the group's first message. */
  readonly count: number | ((first: Message) => number);
  /** Milliseconds from the first message of a group. @defaultValue no limit */
  readonly timeoutMs: number | undefined;
  /** Fate of a group that stays short. */
  readonly whenShort: "fail" | "emit";
  /** Fate of a message that arrives after its group was emitted short at its timeout. */
  readonly late: "drop" | "group";
}

/** Declarations about a handler. The engine ignores them: linters, drawings and clusters use them. */
export interface NodeClaims {
  /** External side effects of the handler. @defaultValue unspecified */
  readonly effects?: Effects | undefined;
  /** The playbooks the handler calls. @defaultValue unspecified */
  readonly calls?: readonly Playbook[] | undefined;
  /**
   * Whether the handler ensures that no message circulates forever in the cycle of several nodes it belongs to: it
   * counts the rounds, or checks a budget.
   *
   * @defaultValue false
   */
  readonly boundsLoop?: boolean | undefined;
  /**
   * Kind of worker on which a cluster runs the handler, such as `"gpu"`: one that offers it.
   *
   * @defaultValue the worker that has the trace
   */
  readonly placement?: string | undefined;
}

/** Fields from which a {@link FlowNode} is made; users call `node`, `payloadNode` or a pattern. */
export interface NodeInit extends NodeClaims {
  readonly name: string;
  readonly style: "message" | "payload";
  readonly handler: MessageHandler | PayloadHandler;
  readonly input?: Schema<unknown, unknown> | undefined;
  readonly output?: Schema<unknown, unknown> | undefined;
  readonly policy?: Policy<never, unknown, never> | undefined;
  readonly allowCycle?: boolean | undefined;
  readonly kind?: NodeKind | undefined;
  readonly gathering?: Gathering | undefined;
  /** The graph inside, for drawings of subflows. */
  readonly inner?: unknown;
  /** Remark beside the node in drawings. */
  readonly note?: string | undefined;
  /** The agent that does the work of a remote node. */
  readonly remote?: RemoteSkill | undefined;
  /** Whether each message goes to exactly one successor, as for a router without a policy. */
  readonly choosesOne?: boolean | undefined;
  readonly route?: Route | undefined;
}

/** Chooses the successor, by name, for a payload that a node returns. */
export type Route = (payload: never) => string;

/**
 * A named async function with its schemas and policy: the vertex of a graph. Created by `node` and `payloadNode`; it is
 * a definition without state and may be used in several flows.
 */
export class FlowNode<
  out Name extends string,
  in Input,
  out Output,
  in Resources = unknown,
  Loops extends boolean = false,
> {
  declare readonly "~node"?: NodeTypes<Input, Onward<Output, Loops>, Resources> | undefined;
  /** Makes a node match the type of edges except for its `~is`, so that the compiler reports the error below. */
  declare readonly "~edges": never;
  /** Compiler error for a node where edges are expected. */
  declare readonly "~is"?: `got node "${Name}"; write ${Name}.to(next), or ${Name}.to() for a node alone`;
  readonly name: Name;
  readonly kind: NodeKind;
  /** Whether the handler receives the message or its payload. */
  readonly style: "message" | "payload";
  readonly handler: MessageHandler | PayloadHandler;
  readonly input: Schema<unknown, unknown> | undefined;
  readonly output: Schema<unknown, unknown> | undefined;
  readonly policy: ResolvedPolicy;
  /** Whether the node may have an edge to itself. */
  readonly allowCycle: boolean;
  readonly gathering: Gathering | undefined;
  readonly inner: unknown;
  readonly note: string | undefined;
  readonly remote: RemoteSkill | undefined;
  readonly choosesOne: boolean;
  readonly route: Route | undefined;
  readonly effects: Effects | undefined;
  readonly calls: readonly Playbook[];
  readonly boundsLoop: boolean;
  readonly placement: string | undefined;

  constructor(init: NodeInit & { readonly name: Name }) {
    if (typeof init.name !== "string" || init.name.trim() === "") {
      throw new TypeError(`Option "name" of a node must be a non-empty string: got ${shown(init.name)}`);
    }
    if (typeof init.handler !== "function") {
      throw new TypeError(`Node "${init.name}" needs a handler function (message, ctx): got ${typeof init.handler}`);
    }
    if (init.handler.length > 2) {
      throw new TypeError(
        `The handler of node "${init.name}" must take (message, ctx): it takes ${init.handler.length} parameters`,
      );
    }
    for (const side of ["input", "output"] as const) {
      if (init[side] !== undefined && !isSchema(init[side])) {
        throw new TypeError(
          `Option "${side}" of node "${init.name}" must be a Standard Schema (zod, valibot, arktype, …): got ${typeof init[side]}`,
        );
      }
    }
    requireClaims(init);
    this.name = init.name;
    this.kind = init.kind ?? "node";
    this.style = init.style;
    this.handler = init.handler;
    this.input = init.input;
    this.output = init.output;
    this.policy = resolvePolicy(init.name, init.policy);
    this.allowCycle = init.allowCycle ?? false;
    this.gathering = init.gathering;
    this.inner = init.inner;
    this.note = init.note;
    this.remote = init.remote;
    this.choosesOne = init.choosesOne ?? false;
    this.route = init.route;
    this.effects = init.effects;
    this.calls = Object.freeze([...(init.calls ?? [])]);
    this.boundsLoop = init.boundsLoop ?? false;
    this.placement = init.placement;
    noteSource(this);
    Object.freeze(this);
  }

  /**
   * Connects this node to its successors. They receive its output in declared order. A node without successors sends to
   * the Rookery.
   */
  to<const Next extends readonly Targets<Name, Output, Loops>[]>(
    ...targets: Next
  ): Edges<
    ConnectionOf<
      Name,
      NodeRef<Name, Input, Onward<Output, Loops>, Resources>,
      OtherNames<Next[number]["name"], Name, Loops>,
      Next[number],
      Resources
    >,
    Next[number]
  > {
    const nodes = targets as unknown as readonly AnyNode[];
    return new Edges(connect(this, nodes), nodes);
  }
}

function requireClaims({ name, effects, calls, boundsLoop, route, placement }: NodeInit): void {
  if (route !== undefined) requireFunction(`route" of node "${name}`, route);
  if (effects !== undefined) requireOneOf(`effects" of node "${name}`, effects, EFFECTS);
  if (calls !== undefined && !(Array.isArray(calls) && calls.every(mayBePlaybook))) {
    const given = Array.isArray(calls) ? `[${calls.map(shown).join(", ")}]` : shown(calls);
    throw new TypeError(
      `Option "calls" of node "${name}" must be a list of playbooks, each a flow or a function that makes one: got ${given}`,
    );
  }
  if (boundsLoop !== undefined && typeof boundsLoop !== "boolean")
    throw new TypeError(`Option "boundsLoop" of node "${name}" must be true or false: got ${shown(boundsLoop)}`);
  if (placement !== undefined && (typeof placement !== "string" || placement.trim() === ""))
    throw new TypeError(`Option "placement" of node "${name}" must be a non-empty string: got ${shown(placement)}`);
}

function mayBePlaybook(value: unknown): boolean {
  return typeof value === "function" || (typeof value === "object" && value !== null && "graph" in value);
}

/** Wraps a handler: receives its input, its context and a function that calls it. */
export type HandlerWrap = (input: unknown, ctx: Context, call: () => unknown) => unknown;

const wraps = new WeakMap<object, Set<HandlerWrap>>();
const wrapsByName = new Map<string, Set<HandlerWrap>>();

/**
 * Calls a node's handler through `wrap`, inside earlier wraps, in every flow that is run from now on. For the test kit.
 * A name stands for every node that has it.
 *
 * @returns a function that removes the wrap
 */
export function wrapHandler(node: object | string, wrap: HandlerWrap): () => void {
  const known = (typeof node === "string" ? wrapsByName.get(node) : wraps.get(node)) ?? new Set();
  known.add(wrap);
  if (typeof node === "string") wrapsByName.set(node, known);
  else wraps.set(node, known);
  return () => known.delete(wrap);
}

/** Returns the handler of a node, with its wraps. */
export function handlerOf(node: {
  readonly name: string;
  readonly handler: MessageHandler | PayloadHandler;
}): (input: unknown, ctx: unknown) => unknown {
  const handler = node.handler as (input: unknown, ctx: unknown) => unknown;
  const known = [wraps.get(node), wrapsByName.get(node.name)].filter((some) => some !== undefined && some.size > 0);
  if (known.length === 0) return handler;
  return (input, ctx) => {
    const outermost = known
      .flatMap((some) => [...(some ?? [])])
      .reduceRight<() => unknown>(
        (call, wrap) => () => wrap(input, ctx as Context, call),
        () => handler(input, ctx),
      );
    return outermost();
  };
}

/**
 * Returns the end of an error message for a handler whose text shows that it confuses message and payload; otherwise an
 * empty string.
 */
export function styleHint({ kind, style, handler }: Pick<NodeInit, "kind" | "style" | "handler">): string {
  if (kind !== "node") return "";
  const source = Function.prototype.toString.call(handler);
  const first = /^(?:async\b\s*)?(?:function\b\s*\w*\s*)?\(?\s*(?<name>[\w$]+|\{)/.exec(source)?.groups?.["name"];
  if (first === undefined) return "";
  if (style === "payload" && first === "{") return "";
  if (style === "payload")
    return new RegExp(`^[^]*?\\b${first}[^]*\\b${first}\\.payload\\b`).test(source)
      ? "; its handler is given the payload alone: use node for a handler of the message"
      : "";
  // an object that is passed on whole may be read elsewhere
  const isReadHere = first === "{" || source.match(new RegExp(`\\b${first}\\b(?!\\s*[.?[])`, "g"))?.length === 1;
  if (!isReadHere || /\b(?:payload|with|arguments|native code)\b/.test(source)) return "";
  return "; its handler is given the message: read message.payload, or use payloadNode for a handler of the payload alone";
}

/**
 * Options of a node besides its handler. `Input` is the payload that the policy's functions receive, `Fallback` the
 * value of its `onFailed`, `Resources` what that reads from the run.
 */
export interface NodeOptions<
  Name extends string,
  Loops extends boolean = boolean,
  Input = unknown,
  Fallback = never,
  Resources = unknown,
> extends NodeClaims {
  /** Name, unique in a flow. */
  readonly name: Name;
  readonly policy?: Policy<Input, Fallback, Resources>;
  /** Allows an edge to itself: a controller loop. @defaultValue false */
  readonly allowCycle?: Loops;
  /**
   * Chooses the successor, by name, that a returned payload or the value of `onFailed` is sent to. Pure. A name that is
   * no successor fails the attempt with `ROUTE_UNKNOWN`. What the handler emits goes where the emit says.
   *
   * @defaultValue all successors
   */
  readonly route?: Route | undefined;
}

/** The part of {@link Handles} that the compiler does not check: earlier overloads have checked it. */
// oxlint-disable-next-line typescript/no-explicit-any -- the only type that any handler fits
export type Anything = any;

/**
 * A handler. When the compiler says that a function is not assignable to this, `What` names the argument it receives.
 */
export interface Handles<out What extends string, in Taken, out Returned> {
  /** Handles the node's input. */
  (taken: Taken, ctx: Context<Anything, Anything>): Returned;
  /** Carries the text for the compiler alone. */
  readonly "~what"?: What;
}

/** A schema for the node's input. */
export interface WithInput<Input extends Schema<unknown, unknown>> {
  readonly input: Input;
}

/** A schema for the node's output. */
export interface WithOutput<Output extends Schema<unknown, unknown>> {
  readonly output: Output;
}

/**
 * Creates a node whose handler receives the message with its envelope. It may return a payload (the envelope is kept),
 * a message created by `message.with`, or nothing.
 *
 * @example
 * ```ts
 * const greet = node("greet", async (message: Message<string>) => `Hello ${message.payload}`);
 * ```
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function node<const Name extends string, Input, Returned, Resources = unknown>(
  name: Name,
  handler: (message: Message<Input>, ctx: Context<Resources>) => Returned,
): FlowNode<Name, Input, PayloadOf<Awaited<Returned>>, Resources>;
/**
 * Creates a node whose schemas define its input and output. Its handler receives the message as returned by the input
 * schema.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function node<
  const Name extends string,
  Input extends Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown>,
  Resources = unknown,
  const Loops extends boolean = false,
>(
  options: NodeOptions<Name, Loops, SchemaInput<Input>, HandlerResult<SchemaInput<Output>>, Resources> &
    WithInput<Input> &
    WithOutput<Output>,
  handler: (
    message: Message<SchemaOutput<Input>>,
    ctx: Context<Resources, SchemaInput<Output>>,
  ) => HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>,
): FlowNode<Name, SchemaInput<Input>, SchemaOutput<Output>, Resources, Loops>;
/**
 * Creates a node whose schema defines its input; its handler's return type defines its output.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function node<
  const Name extends string,
  Input extends Schema<unknown, unknown>,
  Returned,
  Resources = unknown,
  const Loops extends boolean = false,
  Fallback = never,
>(
  options: NodeOptions<Name, Loops, SchemaInput<Input>, Fallback, Resources> &
    WithInput<Input> & { readonly output?: undefined },
  handler: (message: Message<SchemaOutput<Input>>, ctx: Context<Resources>) => Returned,
): FlowNode<Name, SchemaInput<Input>, PayloadOf<Awaited<Returned> | Fallback>, Resources, Loops>;
/**
 * Creates a node whose schema defines its output; its handler's parameter defines its input.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function node<
  const Name extends string,
  Input,
  Output extends Schema<unknown, unknown>,
  Resources = unknown,
  const Loops extends boolean = false,
  Read = unknown,
>(
  options: NodeOptions<Name, Loops, Read, HandlerResult<SchemaInput<Output>>, Resources> &
    WithOutput<Output> & { readonly input?: undefined },
  handler: (
    message: Message<Input>,
    ctx: Context<Resources, SchemaInput<Output>>,
  ) => HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>,
): FlowNode<Name, Input & Read, SchemaOutput<Output>, Resources, Loops>;
/**
 * Creates a node with a policy or a loop and no schemas: its handler defines its input and output.
 *
 * @throws TypeError, RangeError when name, handler or policy are unusable
 */
export function node<
  const Name extends string,
  Input,
  Returned,
  Resources = unknown,
  const Loops extends boolean = false,
  Read = unknown,
  Fallback = never,
>(
  options: NodeOptions<Name, Loops, Read, Fallback, Resources> & {
    readonly input?: undefined;
    readonly output?: undefined;
  },
  handler: (message: Message<Input>, ctx: Context<Resources>) => Returned,
): FlowNode<Name, Input & Read, PayloadOf<Awaited<Returned> | Fallback>, Resources, Loops>;
/** Produces the compile error for a handler that no other overload accepts. */
export function node<Input extends Schema<unknown, unknown> = never, Output extends Schema<unknown, unknown> = never>(
  options:
    | string
    | (NodeOptions<
        string,
        boolean,
        [Input] extends [never] ? Anything : SchemaInput<Input>,
        [Output] extends [never] ? Anything : HandlerResult<SchemaInput<Output>>,
        Anything
      > & { readonly input?: Input; readonly output?: Output }),
  handler: Handles<
    "the message; for a handler of the payload alone use payloadNode",
    Message<[Input] extends [never] ? Anything : SchemaOutput<Input>>,
    [Output] extends [never]
      ? unknown
      : HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>
  >,
): FlowNode<string, Anything, Anything, Anything>;
export function node(options: string | AnyNodeOptions, handler: MessageHandler, ...more: unknown[]): unknown {
  refuseMore("node", more);
  return new FlowNode({ ...optionsOf(options), style: "message", handler });
}

/**
 * Creates a node whose handler receives the payload alone. The runtime carries the envelope, so trace, tenant, deadline
 * and meta are kept; nodes of both kinds mix freely.
 *
 * @example
 * ```ts
 * const double = payloadNode("double", (count: number) => count * 2);
 * ```
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function payloadNode<const Name extends string, Input, Returned, Resources = unknown>(
  name: Name,
  handler: (payload: Input, ctx: Context<Resources>) => Returned,
): FlowNode<Name, Input, PayloadOf<Awaited<Returned>>, Resources>;
/**
 * Creates a node whose schemas define its input and output. Its handler receives the payload as returned by the input
 * schema.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function payloadNode<
  const Name extends string,
  Input extends Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown>,
  Resources = unknown,
  const Loops extends boolean = false,
>(
  options: NodeOptions<Name, Loops, SchemaInput<Input>, HandlerResult<SchemaInput<Output>>, Resources> &
    WithInput<Input> &
    WithOutput<Output>,
  handler: (
    payload: SchemaOutput<Input>,
    ctx: Context<Resources, SchemaInput<Output>>,
  ) => HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>,
): FlowNode<Name, SchemaInput<Input>, SchemaOutput<Output>, Resources, Loops>;
/**
 * Creates a node whose schema defines its input; its handler's return type defines its output.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function payloadNode<
  const Name extends string,
  Input extends Schema<unknown, unknown>,
  Returned,
  Resources = unknown,
  const Loops extends boolean = false,
  Fallback = never,
>(
  options: NodeOptions<Name, Loops, SchemaInput<Input>, Fallback, Resources> &
    WithInput<Input> & { readonly output?: undefined },
  handler: (payload: SchemaOutput<Input>, ctx: Context<Resources>) => Returned,
): FlowNode<Name, SchemaInput<Input>, PayloadOf<Awaited<Returned> | Fallback>, Resources, Loops>;
/**
 * Creates a node whose schema defines its output; its handler's parameter defines its input.
 *
 * @throws TypeError, RangeError when name, handler, schema or policy are unusable
 */
export function payloadNode<
  const Name extends string,
  Input,
  Output extends Schema<unknown, unknown>,
  Resources = unknown,
  const Loops extends boolean = false,
  Read = unknown,
>(
  options: NodeOptions<Name, Loops, Read, HandlerResult<SchemaInput<Output>>, Resources> &
    WithOutput<Output> & { readonly input?: undefined },
  handler: (
    payload: Input,
    ctx: Context<Resources, SchemaInput<Output>>,
  ) => HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>,
): FlowNode<Name, Input & Read, SchemaOutput<Output>, Resources, Loops>;
/**
 * Creates a node with a policy or a loop and no schemas: its handler defines its input and output.
 *
 * @throws TypeError, RangeError when name, handler or policy are unusable
 */
export function payloadNode<
  const Name extends string,
  Input,
  Returned,
  Resources = unknown,
  const Loops extends boolean = false,
  Read = unknown,
  Fallback = never,
>(
  options: NodeOptions<Name, Loops, Read, Fallback, Resources> & {
    readonly input?: undefined;
    readonly output?: undefined;
  },
  handler: (payload: Input, ctx: Context<Resources>) => Returned,
): FlowNode<Name, Input & Read, PayloadOf<Awaited<Returned> | Fallback>, Resources, Loops>;
/** Produces the compile error for a handler that no other overload accepts. */
export function payloadNode<
  Input extends Schema<unknown, unknown> = never,
  Output extends Schema<unknown, unknown> = never,
>(
  options:
    | string
    | (NodeOptions<
        string,
        boolean,
        [Input] extends [never] ? Anything : SchemaInput<Input>,
        [Output] extends [never] ? Anything : HandlerResult<SchemaInput<Output>>,
        Anything
      > & { readonly input?: Input; readonly output?: Output }),
  handler: Handles<
    "the payload",
    [Input] extends [never] ? Anything : SchemaOutput<Input>,
    [Output] extends [never]
      ? unknown
      : HandlerResult<SchemaInput<Output>> | Promise<HandlerResult<SchemaInput<Output>>>
  >,
): FlowNode<string, Anything, Anything, Anything>;
export function payloadNode(options: string | AnyNodeOptions, handler: PayloadHandler, ...more: unknown[]): unknown {
  refuseMore("payloadNode", more);
  return new FlowNode({ ...optionsOf(options), style: "payload", handler });
}

/** Throws when options follow the last parameter: misplaced options must not pass silently. */
function refuseMore(what: string, more: readonly unknown[]): void {
  if (more.length > 0) throw new TypeError(`${what} takes a name or options, then a handler: got a third argument`);
}

interface AnyNodeOptions extends NodeOptions<string, boolean, never, unknown, never> {
  readonly input?: Schema<unknown, unknown> | undefined;
  readonly output?: Schema<unknown, unknown> | undefined;
}

const OPTIONS = [
  "name",
  "input",
  "output",
  "policy",
  "allowCycle",
  "effects",
  "calls",
  "boundsLoop",
  "route",
  "placement",
];

function optionsOf(options: string | AnyNodeOptions): AnyNodeOptions {
  if (typeof options === "string") return { name: options };
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `A node needs a name or options { name, input?, output?, policy?, allowCycle?, effects?, calls?, boundsLoop?, route?, placement? }: got ${String(options)}`,
    );
  }
  const { name }: { readonly name: unknown } = options;
  requireKnownKeys(typeof name === "string" ? `node "${name}"` : "a node", options, OPTIONS);
  return options;
}
