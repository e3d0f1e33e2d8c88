/** Accepted and refused schemas. `tsc -b` checks this file; it is never run. */
import { type } from "arktype";
import { create, joinK, type Message, ModelRegistry, node, payloadNode, shape } from "penguiflow";
import * as v from "valibot";
import { z } from "zod";
import { same } from "./same.ts";

const Amount = z.object({ amount: z.string().transform(Number) });

// a node receives its input schema's input, and its handler receives the schema's output
const parse = node({ name: "parse", input: Amount }, (message) => {
  same<typeof message.payload, { amount: number }>();
  return message.payload.amount;
});
const flow = create(parse.to());
void flow.call({ amount: "5" });
// @ts-expect-error it is sent text
void flow.call({ amount: 5 });
same<Awaited<ReturnType<typeof flow.call>>, number>();
create(payloadNode("source", (_: null) => ({ amount: "5" })).to(parse));
// @ts-expect-error the source sends the schema's output, not its input
create(payloadNode("source", (_: null) => ({ amount: 5 })).to(parse));

// a handler returns its output schema's input, and its successors receive the schema's output
const format = payloadNode({ name: "format", input: z.number(), output: z.number().transform(String) }, (value) => {
  same<typeof value, number>();
  return value * 2;
});
create(format.to(payloadNode("text", (value: string) => value.length)));
// @ts-expect-error format sends a string
create(format.to(payloadNode("number", (value: number) => value)));
// @ts-expect-error the schema takes a number
payloadNode({ name: "wrong", input: z.number(), output: z.number().transform(String) }, (value) => String(value));
payloadNode({ name: "later", output: z.string() }, async (value: number) => String(value));
// @ts-expect-error the schema takes a string
payloadNode({ name: "later", output: z.string() }, async (value: number) => value);
node({ name: "envelope", output: z.string() }, (message: Message<number>) => message.with({ payload: "text" }));
// @ts-expect-error the schema takes a string, in an envelope too
node({ name: "envelope", output: z.string() }, (message: Message<number>) => message.with({ payload: 5 }));

// the output schema also applies to emitted values
payloadNode({ name: "emits", input: z.number(), output: z.string() }, async (value, ctx) => {
  await ctx.emit("text");
  // @ts-expect-error the schema takes a string
  await ctx.emit(value);
  // @ts-expect-error the schema takes a string
  ctx.emitNowait(value);
});

// other libraries' schemas
const fromValibot = payloadNode(
  { name: "v", input: v.object({ id: v.pipe(v.string(), v.transform(Number)) }) },
  (value) => {
    same<typeof value, { id: number }>();
    return value.id;
  },
);
const fromArktype = payloadNode({ name: "a", input: type({ id: "string" }) }, (value) => {
  same<typeof value, { id: string }>();
  return value;
});
create(fromArktype.to(fromValibot));
// @ts-expect-error no schema
payloadNode({ name: "none", input: { type: "string" } }, (value) => value);
new ModelRegistry().register("x", z.string(), v.number()).register("y", type("string"), Amount);
// @ts-expect-error no schema
new ModelRegistry().register("x", String, z.string());

// shape gives a type and checks nothing
payloadNode({ name: "shaped", input: shape<Map<string, number>>() }, (value) => {
  same<typeof value, Map<string, number>>();
});

// joinK: the tuple of gathered payloads
const three = joinK("three", 3, { input: shape<string>() });
create(
  payloadNode("source", (_: null) => "").to(three),
  three.to(payloadNode("take", (group: [string, string, string]) => group[2])),
);
// @ts-expect-error there are three, not two
three.to(payloadNode("two", (group: [string, string]) => group[1]));
// @ts-expect-error they are strings
three.to(payloadNode("numbers", (group: [number, number, number]) => group[1]));
// @ts-expect-error it is sent strings
payloadNode("source", (_: null) => 5).to(three);
const joined = create(three.to());
same<Awaited<ReturnType<typeof joined.call>>, [string, string, string]>();

// a count that only the run knows, or a group that may stay short, gives an array
declare const many: number;
const dynamic = create(joinK("dynamic", many, { input: shape<string>() }).to());
same<Awaited<ReturnType<typeof dynamic.call>>, string[]>();
const told = create(joinK("told", (first) => first.payload.length, { input: shape<string>() }).to());
same<Awaited<ReturnType<typeof told.call>>, string[]>();
const short = create(joinK("short", 3, { input: shape<string>(), whenShort: "emit", timeoutMs: 5 }).to());
same<Awaited<ReturnType<typeof short.call>>, string[]>();

// a join, too, receives its schema's input and gathers the schema's output
const coerced = joinK("coerced", 2, { input: z.string().transform(Number) });
create(payloadNode("source", (_: null) => "5").to(coerced));
const pair = create(coerced.to());
same<Awaited<ReturnType<typeof pair.call>>, [number, number]>();
// @ts-expect-error it is sent text
payloadNode("source", (_: null) => 5).to(coerced);
