/** Accepted and refused graphs. `tsc -b` checks this file; it is never run. */
import { create, type FlowOf, type Message, node, payloadNode } from "penguiflow";
import { same } from "./same.ts";

const text = payloadNode("text", (value: number) => String(value));
const length = payloadNode("length", (value: string) => value.length);
const upper = payloadNode("upper", async (value: string) => value.toUpperCase());
const envelope = node("envelope", async (message: Message<string>) =>
  message.with({ payload: { text: message.payload } }),
);
const wantsText = node("wantsText", (message: Message<{ text: string }>) => message.payload.text.length);
const nothing = payloadNode("nothing", (_: string) => {});

// accepted edges, inline and in variables
create(text.to(length));
create(text.to(upper, length), upper.to(envelope), envelope.to(wantsText));
const edges = text.to(upper);
const more = upper.to(length);
create(edges, more, { name: "flow", queueMaxSize: 2 });
create(text.to(upper).to(envelope).to(wantsText));
create(text.to(nothing));
create(text.to());

// a payload that does not fit, inline
// @ts-expect-error text sends a string, text takes a number
create(text.to(text));
// @ts-expect-error length sends a number, upper takes a string
create(length.to(upper));
// and in variables
// @ts-expect-error length sends a number, upper takes a string
const wrong = length.to(upper);
void wrong;

// in a chain: the second link
// @ts-expect-error length sends a number, upper takes a string
create(text.to(length).to(upper));
// @ts-expect-error text sends a string, wantsText takes an object
text.to(upper).to(wantsText);
// @ts-expect-error a chain goes on from all of its last nodes: length sends a number
text.to(upper, length).to(envelope);

// in a fan-out: any one of several
// @ts-expect-error wantsText takes an object
create(text.to(upper, wantsText));
// @ts-expect-error text takes a number
create(text.to(length, upper, text));

// a union must fit every target
const either = payloadNode("either", (value: number) => (value > 0 ? "positive" : null));
// @ts-expect-error length does not take null
either.to(length);
const both = payloadNode("both", (value: string | null) => value ?? "");
create(either.to(both));

// message nodes: the payload counts, not the envelope
// @ts-expect-error envelope sends an object, length takes a string
envelope.to(length);

// values that are no node
// @ts-expect-error a name is no node
text.to("length");
// @ts-expect-error nodes are no edges
create(text, length);
// @ts-expect-error an unknown option
create(text.to(length), { queueMaxsize: 2 });

// types of a flow
const flow = create(text.to(upper), upper.to(length));
same<Parameters<typeof flow.call>[0], number | Message<number>>();
same<Awaited<ReturnType<typeof flow.call>>, number>();
same<typeof flow, FlowOf<[typeof edges, typeof more]>>();

// several exits: the result is any of theirs
const two = create(text.to(upper, length));
same<Awaited<ReturnType<typeof two.call>>, string | number>();

// a node that sends nothing adds nothing to the result
const ends = create(text.to(upper, nothing));
same<Awaited<ReturnType<typeof ends.call>>, string>();

// one node alone
const alone = create(wantsText.to());
same<Awaited<ReturnType<typeof alone.call>>, number>();
same<Parameters<typeof alone.call>[0], { text: string } | Message<{ text: string }>>();

// a node that is made in a loop has no literal name: its flow is typed as far as it can be
const steps = Array.from({ length: 3 }, (_, index) => payloadNode(`step${index}`, (value: number) => value + 1));
const [first, second, third] = steps as [(typeof steps)[number], (typeof steps)[number], (typeof steps)[number]];
const chained = create(first.to(second), second.to(third));
void chained.call(1);
// @ts-expect-error it takes numbers
void chained.call("1");
same<Awaited<ReturnType<typeof chained.call>>, number>();

// the same for names that are no literal at all, and for edges that are kept in an array
const made = (name: string) => payloadNode(name, (value: number) => value + 1);
const list = [made("a").to(made("b")), made("b").to(made("c"))];
const fromList = create(...list, { name: "list" });
void fromList.call(1);
// @ts-expect-error it takes numbers
void fromList.call("1");
same<Awaited<ReturnType<typeof fromList.call>>, number>();
