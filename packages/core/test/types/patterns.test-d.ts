/** Accepted and refused routers and playbooks. `tsc -b` checks this file; it is never run. */
import {
  callPlaybook,
  type Context,
  create,
  flowNode,
  type ItemResult,
  mapConcurrent,
  type Message,
  type PauseTicket,
  payloadNode,
  predicateRouter,
  type Pump,
  type RouteChoice,
  shape,
  startPump,
  unionRouter,
} from "penguiflow";
import { z } from "zod";
import { same } from "./same.ts";

const small = payloadNode("small", (value: number) => value);
const large = payloadNode("large", (value: number) => `${value}`);
const words = payloadNode("words", (value: string) => value);

// predicateRouter: its `to` must name every possible choice
const bySize = predicateRouter("bySize", (message: Message<number>) => (message.payload > 9 ? "large" : "small"));
const routed = create(bySize.to(small, large));
void routed.call(5);
// @ts-expect-error it takes a number
void routed.call("5");
same<Awaited<ReturnType<typeof routed.call>>, string | number>();
// @ts-expect-error it may choose large, which it is not connected to
create(bySize.to(small));
// @ts-expect-error words takes a string
bySize.to(small, words);
const byNode = predicateRouter("byNode", (message: Message<number>) => (message.payload > 9 ? large : null));
create(byNode.to(large, small));
// @ts-expect-error it may choose large
create(byNode.to(small));
const several = predicateRouter("several", async (_: Message<number>) => ["small", large] as const);
create(several.to(small, large));
// @ts-expect-error it may choose small
create(several.to(large));
// the compiler does not refuse a choice that it cannot know
create(predicateRouter("any", (_: Message<number>): RouteChoice => "elsewhere").to(small));
declare const name: string;
create(predicateRouter("any", (_: Message<number>) => name).to(small));
// and in variables
const edges = bySize.to(small);
// @ts-expect-error it may choose large
create(edges);
// @ts-expect-error a number is no choice
predicateRouter("wrong", (_: Message<number>) => 5);

// unionRouter: a node for every variant, named after it
const Shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number() }),
  z.object({ kind: z.literal("square"), side: z.number() }),
]);
const circle = payloadNode("circle", (value: { kind: "circle"; radius: number }) => value.radius);
const square = payloadNode("square", (value: { kind: "square"; side: number }) => `${value.side}`);
const wide = payloadNode("square", (value: z.infer<typeof Shape>) => value.kind.length);
const drawn = create(unionRouter("draw", Shape).to(circle, square));
void drawn.call({ kind: "square", side: 5 });
same<Awaited<ReturnType<typeof drawn.call>>, string | number>();
create(unionRouter("draw", Shape).to(circle, wide));
// @ts-expect-error square is forgotten
create(unionRouter("draw", Shape).to(circle));
// @ts-expect-error and in a variable, where it is used
create((() => unionRouter("draw", Shape).to(square))());
const badSquare = payloadNode("square", (value: { kind: "square"; side: string }) => value.side);
// @ts-expect-error a square's side is a number
unionRouter("draw", Shape).to(circle, badSquare);
const swapped = payloadNode("square", (value: { kind: "circle"; radius: number }) => value.radius);
// @ts-expect-error the node named square takes a circle
unionRouter("draw", Shape).to(circle, swapped);
// @ts-expect-error small is no variant
unionRouter("draw", Shape).to(circle, square, small);
// @ts-expect-error a line is no variant
void drawn.call({ kind: "line" });
type Event = { type: "add"; by: number } | { type: "take"; by: number };
const add = payloadNode("add", (event: { type: "add"; by: number }) => event.by);
const take = payloadNode("take", (event: { type: "take"; by: number }) => event.by);
create(unionRouter("events", shape<Event>(), { discriminator: "type" }).to(add, take));
// @ts-expect-error take is forgotten
create(unionRouter("events", shape<Event>(), { discriminator: "type" }).to(add));
// @ts-expect-error events have no kind
unionRouter("events", shape<Event>()).to(add, take);
// @ts-expect-error events have no colour
unionRouter("events", shape<Event>(), { discriminator: "colour" });

// a router receives its schema's input, and its targets receive the schema's output
const Job = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("run"), at: z.string().transform(Number) }),
  z.object({ kind: z.literal("skip") }),
]);
const run = payloadNode("run", (job: { kind: "run"; at: number }) => job.at);
const skip = payloadNode("skip", (job: { kind: "skip" }) => job.kind);
const jobs = create(unionRouter("jobs", Job).to(run, skip));
void jobs.call({ kind: "run", at: "5" });
// @ts-expect-error it is sent text
void jobs.call({ kind: "run", at: 5 });

// playbooks
const shout = create(payloadNode("upper", (value: string) => value.toUpperCase()).to());
payloadNode("caller", async (value: number, ctx) => {
  const loud = await ctx.callPlaybook(shout, String(value));
  same<typeof loud, string>();
  const made = await callPlaybook(ctx, () => shout, "text");
  same<typeof made, string>();
  // @ts-expect-error it takes a string
  await ctx.callPlaybook(shout, value);
  // @ts-expect-error it takes a string
  await callPlaybook(ctx, shout, 5);
  // @ts-expect-error no flow
  await ctx.callPlaybook(5, value);
});
const sub = flowNode("sub", shout);
create(payloadNode("source", (value: number) => String(value)).to(sub), sub.to(words));
// @ts-expect-error sub takes a string
payloadNode("source", (value: number) => value).to(sub);
// @ts-expect-error sub sends a string
sub.to(small);

// mapConcurrent
export async function mapped(): Promise<void> {
  const result = await mapConcurrent([1, 2], async (item, index, signal) => {
    same<[typeof item, typeof index, typeof signal], [number, number, AbortSignal]>();
    return String(item);
  });
  same<typeof result, string[]>();
  const letters = await mapConcurrent("ab", (letter) => letter.length);
  same<typeof letters, number[]>();
  // @ts-expect-error no items
  await mapConcurrent(5, (item) => item);
}

// a reported timeout is a state of the item's result
export async function timedItems(ctx: Context): Promise<void> {
  const plain = await mapConcurrent(["a"], (text) => text.length, { ctx, itemTimeoutMs: 5 });
  same<typeof plain, number[]>();
  const reported = await mapConcurrent(["a"], (text) => text.length, { ctx, itemTimeoutMs: 5, onTimeout: "report" });
  same<typeof reported, ItemResult<number>[]>();
  for (const item of reported) {
    // @ts-expect-error an item that timed out has no value
    item.value.toFixed();
    if (!item.isTimedOut) item.value.toFixed();
  }
}

// a pump makes the flow's input of its items, unless they are that
interface Job {
  readonly id: string;
  readonly text: string;
}
export async function pumps(numbers: AsyncIterable<number>, claimed: () => Promise<Job[]>): Promise<void> {
  const counting = create(payloadNode("count", (value: number) => `${value}`).to()).run();
  await using plain = startPump(numbers, counting, { done: (item, outcome) => item + outcome.results.length });
  same<typeof plain, Pump>();
  startPump(claimed, counting, {
    input: ({ text }) => text.length,
    options: ({ id }) => ({ id, to: "count" }),
    done: (job, outcome) => {
      same<typeof job, Job>();
      if (outcome.status === "completed") same<typeof outcome.result, string>();
    },
    failed: (_job, _error, outcome) => {
      if (outcome?.status === "paused") same<(typeof outcome.pauses)[number], PauseTicket>();
    },
  });
  // @ts-expect-error a job is no number: its input is missing
  startPump(claimed, counting, {});
  // @ts-expect-error the flow takes a number
  startPump(claimed, counting, { input: ({ text }) => text });
  // @ts-expect-error the flow has no such entry
  startPump(numbers, counting, { options: () => ({ to: "elsewhere" }) });
  // @ts-expect-error the signal is the pump's
  startPump(numbers, counting, { options: () => ({ signal: new AbortController().signal }) });
}
