import { shown } from "../foundation/options.ts";
import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../foundation/schema.ts";
import type { Edges } from "../graph/edges.ts";
import type { ConnectionOf, NodeRef, NodeTypes } from "../graph/edge-typing.ts";
import type { Context } from "../graph/handler.ts";
import { FlowNode } from "../graph/node.ts";
import type { Message } from "../message/message.ts";
import {
  type MissingTargets,
  noteOf,
  type RouterOptions,
  requireRouterOptions,
  sendRouted,
} from "./predicate-router.ts";

/** A node that takes one variant of a union and carries its name. */
export type VariantNode<Union, Key extends keyof Union> = Union extends unknown
  ? { readonly name: Union[Key]; readonly "~node"?: Pick<NodeTypes<Union, unknown, never>, "input"> | undefined }
  : never;

/** A router created by {@link unionRouter}: its `to` requires a node for every variant, named after it. */
export interface UnionRouter<Name extends string, Input, Union, Key extends keyof Union> extends Omit<
  FlowNode<Name, Input, Union>,
  "to"
> {
  /**
   * Connects the router to a node for each variant. When a variant has none, the result names it and `create` rejects
   * it.
   */
  to<const Next extends readonly VariantNode<Union, Key>[]>(
    ...targets: Next
  ): [Exclude<Union[Key], Next[number]["name"]>] extends [never]
    ? Edges<
        ConnectionOf<Name, NodeRef<Name, Input, Union, unknown>, Next[number]["name"] & string, Next[number], unknown>,
        Next[number]
      >
    : MissingTargets<Exclude<Union[Key], Next[number]["name"]>>;
}

/**
 * Creates a node that sends each variant of a discriminated union to the node named after it. The compiler checks that
 * no variant is missing and that each node accepts its variant; the schema checks the payload at run time.
 *
 * @param options - `discriminator` is the property that distinguishes the variants; @defaultValue `"kind"`
 */
export function unionRouter<
  const Name extends string,
  Union extends Schema<unknown, unknown>,
  const Key extends keyof SchemaOutput<Union> = "kind" & keyof SchemaOutput<Union>,
>(
  name: Name,
  union: Union,
  options: RouterOptions & { readonly discriminator?: Key } = {},
): UnionRouter<Name, SchemaInput<Union>, SchemaOutput<Union>, Key> {
  requireRouterOptions(name, options, ["policy", "discriminator"]);
  const discriminator = (options.discriminator ?? "kind") as string;
  const handler = async (message: Message<never>, ctx: Context<never>): Promise<void> => {
    const payload: unknown = message.payload;
    const variant =
      typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>)[discriminator] : undefined;
    if (typeof variant !== "string") {
      throw new FlowError({
        code: FlowErrorCode.ROUTE_UNKNOWN,
        node: name,
        message: `Cannot route at "${name}": payload.${discriminator} must be the name of a variant, got ${shown(variant)}`,
      });
    }
    await sendRouted(ctx, message, variant, options.policy);
  };
  return new FlowNode({
    name,
    kind: "router",
    style: "message",
    handler,
    input: union,
    policy: { validate: "in" },
    note: noteOf(options),
    choosesOne: options.policy === undefined,
  }) as unknown as UnionRouter<Name, SchemaInput<Union>, SchemaOutput<Union>, Key>;
}
