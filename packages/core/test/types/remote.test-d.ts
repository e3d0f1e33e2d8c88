/** Accepted and refused remote nodes. `tsc -b` checks this file; it is never run. */
import {
  create,
  payloadNode,
  type RemoteInterrupt,
  remoteNode,
  type RemoteTransport,
  shape,
  unionRouter,
} from "penguiflow";
import { z } from "zod";
import { same } from "./same.ts";

declare const transport: RemoteTransport;
const agent = { transport, agentUrl: "https://agent.example", skill: "find" };
const Found = z.object({ kind: z.literal("found"), times: z.number() });
type Found = z.infer<typeof Found>;

// its schemas define its input and output
const find = remoteNode("find", { ...agent, input: shape<string>(), output: Found });
const show = payloadNode("show", ({ times }: Found) => `${times}`);
const flow = create(find.to(show));
void flow.call("penguins");
// @ts-expect-error it takes a string
void flow.call(5);
same<Awaited<ReturnType<typeof flow.call>>, string>();
// @ts-expect-error it sends the answer
find.to(payloadNode("words", (text: string) => text));

// without a schema the answer is unknown
const bare = remoteNode("bare", agent);
create(bare.to(payloadNode("any", (value: unknown) => value)));
// @ts-expect-error its output is not known to be a number
bare.to(payloadNode("number", (value: number) => value));

// forwarded interrupts need a receiver
const asking = remoteNode("asking", { ...agent, output: Found, interrupts: "send" });
// @ts-expect-error show takes no interrupt
asking.to(show);
const Answer = shape<Found | RemoteInterrupt>();
const found = payloadNode("found", ({ times }: Found) => times);
const input = payloadNode("input-required", ({ prompt }: RemoteInterrupt) => prompt);
const auth = payloadNode("auth-required", ({ prompt }: RemoteInterrupt) => prompt);
const route = unionRouter("route", Answer);
create(asking.to(route), route.to(found, input, auth));
const some = asking.to(route);
// @ts-expect-error no node takes the one that wants authentication
create(some, route.to(found, input));

// its task is derived from its input
remoteNode("reply", {
  ...agent,
  input: shape<RemoteInterrupt>(),
  continues: ({ payload }) => ({ taskId: payload.taskId, contextId: payload.contextId }),
});
// @ts-expect-error it is "fail" or "send"
remoteNode("wrong", { ...agent, interrupts: "drop" });
