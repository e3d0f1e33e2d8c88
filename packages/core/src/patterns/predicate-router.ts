import type { Edges } from "../graph/edges.ts";
import type { AnyNode, ConnectionOf, NodeAccepting, NodeRef } from "../graph/edge-typing.ts";
import type { Context, NodeOrName } from "../graph/handler.ts";
import { nameOfNode, requireFunction, requireKnownKeys, requireMethods } from "../foundation/options.ts";
import { FlowNode } from "../graph/node.ts";
import type { Message } from "../message/message.ts";
import type { RoutingPolicy } from "./routing-policy.ts";

/** The choice of a predicate: a successor, several, or none, by node or name. */
export type RouteChoice = NodeOrName | readonly NodeOrName[] | null | undefined;

/** Options of a router. */
export interface RouterOptions {
  /** Policy that may change every choice. @defaultValue none */
  readonly policy?: RoutingPolicy;
}

/** The names that a choice may contain; `string` when the compiler does not know them. */
export type ChosenNames<Choice> = Choice extends null | undefined | void
  ? never
  : Choice extends readonly (infer One)[]
    ? ChosenNames<One>
    : Choice extends { readonly name: infer Name }
      ? Name
      : Choice;

/** The compile error for targets of a router that are missing in its `to`. */
export interface MissingTargets<Names> {
  readonly "this router chooses targets that it is not connected to": Names;
}

/** The possible choices of a router that it is not connected to; `never` when the compiler does not know them. */
export type Unconnected<Chosen, Connected> = string extends Chosen ? never : Exclude<Chosen, Connected>;

/** A router created by {@link predicateRouter}: its `to` must name every target that the predicate can choose. */
export interface PredicateRouter<Name extends string, Payload, Chosen> extends Omit<
  FlowNode<Name, Payload, Payload>,
  "to"
> {
  /**
   * Connects the router to its successors, in declared order. When the predicate can choose a node that is not among
   * them, the result names it and `create` rejects it.
   */
  to<const Next extends readonly NodeAccepting<Payload, Name>[]>(
    ...targets: Next
  ): [Unconnected<Chosen, Next[number]["name"]>] extends [never]
    ? Edges<
        ConnectionOf<
          Name,
          NodeRef<Name, Payload, Payload, unknown>,
          Next[number]["name"] & string,
          Next[number],
          unknown
        >,
        Next[number]
      >
    : MissingTargets<Unconnected<Chosen, Next[number]["name"]>>;
}

/**
 * Creates a node that forwards each message to the successors its predicate chooses: one, several or none, by node or
 * name. A choice of none is reported as a `route_drop` event.
 *
 * @throws FlowError `ROUTE_UNKNOWN`, which fails the trace, when a chosen node is no successor
 */
export function predicateRouter<const Name extends string, Payload, const Choice extends RouteChoice | void>(
  name: Name,
  predicate: (message: Message<Payload>, ctx: Context) => Choice | Promise<Choice>,
  options: RouterOptions = {},
): PredicateRouter<Name, Payload, ChosenNames<Choice>> {
  requireFunction(`predicate" of router "${name}`, predicate);
  requireRouterOptions(name, options, ["policy"]);
  const handler = async (message: Message<never>, ctx: Context<never>): Promise<void> => {
    const context = ctx as unknown as Context;
    const chosen = (await predicate(message, context)) as RouteChoice;
    await sendRouted(context, message, chosen, options.policy);
  };
  return new FlowNode({
    name,
    kind: "router",
    style: "message",
    handler,
    policy: ROUTER_POLICY,
    note: noteOf(options),
  }) as unknown as PredicateRouter<Name, Payload, ChosenNames<Choice>>;
}

/** Throws unless a router's options are known and its policy has a `select` method. */
export function requireRouterOptions(name: string, options: RouterOptions, known: readonly string[]): void {
  requireKnownKeys(`router "${name}"`, options, known);
  if (options.policy !== undefined) requireMethods(`policy" of router "${name}`, options.policy, ["select"]);
}

/** Disables validation: a router's targets check the payload. */
const ROUTER_POLICY = { validate: "none" } as const;

/** Sends a message to the router's choice, after applying its policy. */
export async function sendRouted(
  ctx: Context,
  message: Message,
  chosen: RouteChoice,
  policy: RoutingPolicy | undefined,
): Promise<void> {
  let names = namesOf(chosen);
  if (policy !== undefined) {
    const { successors } = ctx;
    const decided = await policy.select({
      message,
      traceId: ctx.traceId,
      tenant: ctx.tenant,
      node: ctx.node,
      proposed: names,
      successors,
    });
    if (decided !== undefined) names = namesOf(decided);
  }
  if (names.length > 0) await ctx.emit(message, { to: names });
}

/** Returns the remark beside a router in drawings. */
export function noteOf(options: RouterOptions): string | undefined {
  return options.policy === undefined ? undefined : `policy: ${options.policy.constructor.name}`;
}

function namesOf(choice: RouteChoice): readonly string[] {
  if (choice === null || choice === undefined) return [];
  const list = (Array.isArray(choice) ? choice : [choice]) as readonly (AnyNode | string)[];
  return list.map((one) => nameOfNode("to", one));
}
