/** Accepted and refused policies that look at the message. `tsc -b` checks this file; it is never run. */
import {
  type AnyEdges,
  type Context,
  create,
  createFrom,
  type FallbackContext,
  type Flow,
  type FlowError,
  type FlowNode,
  flowNode,
  type Message,
  node,
  payloadNode,
  remoteNode,
  type RemoteTransport,
  shape,
} from "penguiflow";
import { scriptedNode } from "penguiflow/testing";
import { z } from "zod";
import { same } from "./same.ts";

interface Call {
  readonly tool: string;
}

// the value of onFailed joins the node's output, whether or not the functions name their parameters
const plain = payloadNode({ name: "plain", policy: { onFailed: () => null } }, (call: Call) => call.tool.length);
const named = payloadNode(
  {
    name: "named",
    policy: {
      onFailed: (error, message) => {
        same<typeof error, FlowError>();
        same<typeof message, Message>();
        return { failed: error.code };
      },
    },
  },
  async (call: Call, ctx) => {
    await ctx.sleep(1);
    return call.tool.length;
  },
);
const annotated = node(
  { name: "annotated", policy: { onFailed: (_, message: Message<Call>) => message.payload.tool } },
  (message: Message<Call>, ctx) => message.payload.tool.length + ctx.attempt,
);
const wantsNumber = payloadNode("wantsNumber", (count: number) => count);
const wantsEither = payloadNode("wantsEither", (count: number | null) => count);
create(plain.to(wantsEither));
// @ts-expect-error a failure sends null
create(plain.to(wantsNumber));
create(annotated.to(payloadNode("mixed", (value: number | string) => value)));
// @ts-expect-error a failure sends a string
create(annotated.to(wantsNumber));
const flow = create(named.to());
same<typeof flow, Flow<Call, number | { failed: FlowError["code"] }, unknown, "named">>();
// the message's payload, where it is named, belongs to the node's input
create(payloadNode("source", (_: null): Call => ({ tool: "x" })).to(annotated));
const both = payloadNode(
  { name: "both", policy: { onFailed: (_, message: Message<{ deep: boolean }>) => Number(message.payload.deep) } },
  (call: Call) => call.tool.length,
);
// @ts-expect-error onFailed reads a field that the source does not send
create(payloadNode("source", (_: null): Call => ({ tool: "x" })).to(both));

// a fallback may be a message; without a value it sends nothing
create(
  node(
    { name: "envelope", policy: { onFailed: (_, message) => message.with({ payload: 0 }) } },
    (message: Message<string>) => message.payload.length,
  ).to(wantsNumber),
);
create(payloadNode({ name: "silent", policy: { onFailed: () => {} } }, (text: string) => text.length).to(wantsNumber));

// it may be asynchronous, and its context knows the resources that the handler names
interface Shops {
  readonly second: string;
}
const second = payloadNode(
  {
    name: "second",
    policy: {
      onFailed: async (_, message: Message<Call>, ctx) => {
        same<typeof ctx, FallbackContext<Shops>>();
        return { tool: message.payload.tool, by: ctx.resources.second };
      },
    },
  },
  async (call: Call, ctx: Context<Shops>) => ctx.resources.second.length + call.tool.length,
);
const secondFlow = create(second.to());
same<typeof secondFlow, Flow<Call, number | { tool: string; by: string }, Shops, "second">>();
const own = payloadNode(
  { name: "own", policy: { onFailed: async (_, __, ctx: FallbackContext<Shops>) => ctx.resources.second } },
  (text: string) => text,
);
// @ts-expect-error its fallback needs resources
create(own.to()).run();
// a fallback sends its own value alone
same<Extract<keyof FallbackContext, "emit" | "pause" | "fetch">, never>();

// with schemas, the functions receive what the node is sent, and the fallback is what the output schema takes
const Amount = z.object({ amount: z.string().transform(Number) });
payloadNode(
  {
    name: "checked",
    input: Amount,
    output: z.number().transform(String),
    policy: {
      perMessage: (message) => {
        same<typeof message.payload, { amount: string }>();
        return { timeoutMs: message.payload.amount.length };
      },
      onFailed: (_, message) => message.payload.amount.length,
    },
  },
  ({ amount }) => amount,
);
payloadNode(
  // @ts-expect-error the output schema takes a number
  { name: "unfit", input: Amount, output: z.number(), policy: { onFailed: () => "none" } },
  () => 1,
);
// @ts-expect-error the output schema takes a number
node({ name: "unfit", output: z.number(), policy: { onFailed: () => "none" } }, (_: Message<Call>) => 1);
const sentNull = payloadNode({ name: "in", input: Amount, policy: { onFailed: () => null } }, ({ amount }) => amount);
create(sentNull.to(wantsEither));
// @ts-expect-error a failure sends null
create(sentNull.to(wantsNumber));

// a policy that is a function
const looks = payloadNode(
  { name: "looks", policy: (message: Message<Call>) => ({ timeoutMs: message.payload.tool.length, maxRetries: 1 }) },
  (call: Call) => call.tool.length,
);
create(looks.to(wantsNumber));
const falls = payloadNode(
  { name: "falls", policy: () => ({ onFailed: () => null }) },
  (call: Call) => call.tool.length,
);
create(falls.to(wantsEither));
// @ts-expect-error a failure sends null
create(falls.to(wantsNumber));
payloadNode(
  { name: "sometimes", policy: (message) => (message.headers.topic === "slow" ? { maxRetries: 1 } : undefined) },
  (n: number) => n,
);
// options of the node cannot depend on the message
// @ts-expect-error concurrency belongs to the node
payloadNode({ name: "fixed", policy: () => ({ maxRetries: 1, concurrency: 2 }) }, (n: number) => n);
// @ts-expect-error ordering belongs to the node
payloadNode({ name: "fixed", policy: { perMessage: () => ({ maxRetries: 1, ordering: "none" }) } }, (n: number) => n);
// @ts-expect-error a policy function is synchronous
payloadNode({ name: "later", policy: async () => ({ maxRetries: 1 }) }, (n: number) => n);
payloadNode({ name: "paced", policy: { retryAfterMs: () => 5 } }, (n: number) => n);
// @ts-expect-error a delay is a number
payloadNode({ name: "paced", policy: { retryAfterMs: () => "5" } }, (n: number) => n);

// patterns: the fallback is a value of the node's output
const inner = create(wantsNumber.to());
flowNode("sub", inner, { policy: { onFailed: () => 0 } });
// @ts-expect-error the flow's result is a number
flowNode("sub", inner, { policy: { onFailed: () => "none" } });
declare const transport: RemoteTransport;
const agent = { transport, agentUrl: "agent", skill: "find", input: shape<Call>(), output: shape<number>() };
remoteNode("agent", { ...agent, policy: { onFailed: (_, message) => message.payload.tool.length } });
// @ts-expect-error the agent's answer is a number
remoteNode("agent", { ...agent, policy: { onFailed: () => "none" } });
scriptedNode({ name: "scripted", input: shape<Call>(), output: shape<number>(), policy: { onFailed: () => 0 } }, []);

// graphs made at run time
const tools: FlowNode<string, Call, number>[] = ["a", "b"].map((name) =>
  payloadNode(name, (call: Call) => call.tool.length),
);
const plan = payloadNode("plan", (question: string): Call => ({ tool: question }));
const edges: AnyEdges[] = [plan.to(...tools), ...tools.map((tool) => tool.to(wantsNumber))];
const made = createFrom<string, number>(edges, { name: "made" });
same<typeof made, Flow<string, number>>();
made.run();
void made.call("which?").then((count) => count.toFixed());
// @ts-expect-error the flow takes text
void made.call(1);
const needy = createFrom<string, number, { index: Map<string, number> }>(edges);
needy.run({ resources: { index: new Map() } });
// @ts-expect-error its handlers need resources
needy.run();
// without stated types the flow takes nothing
// @ts-expect-error never
void createFrom(edges).call("which?");
// its types meet those of other flows
create(flowNode("sub", made).to(wantsNumber));
// @ts-expect-error the options come after the edges, in one array
createFrom<string, number>(plan.to(wantsNumber));
