/** Accepted and refused calls. `tsc -b` checks this file; it is never run. */
import {
  type Budget,
  BudgetExhausted,
  type Context,
  create,
  FinalAnswer,
  FlowError,
  Message,
  type Meta,
  node,
  type PauseTicket,
  payloadNode,
  type Reservation,
  type StreamChunk,
  WM,
} from "penguiflow";
import { runOne } from "penguiflow/testing";
import { same } from "./same.ts";

interface Question {
  readonly text: string;
}
interface Found {
  readonly hits: readonly number[];
}
const search = payloadNode("search", async (question: Question): Promise<Found> => ({ hits: [question.text.length] }));
const answer = node("answer", (message: Message<Found>) => message.payload.hits.join());
const flow = create(search.to(answer)).run();

export async function input(): Promise<void> {
  await flow.call({ text: "a" });
  await flow.call(new Message({ payload: { text: "a" } }));
  // @ts-expect-error text is missing
  await flow.call({});
  // @ts-expect-error text is a string
  await flow.call({ text: 5 });
  // @ts-expect-error text is a string, in an envelope too
  await flow.call(new Message({ payload: { text: 5 } }));
  // @ts-expect-error no input
  await flow.call();
  // @ts-expect-error the same for emit
  await flow.emit({ text: 5 });
  // @ts-expect-error and emitNowait
  flow.emitNowait("a");
  // @ts-expect-error and outcome
  await flow.outcome({ question: "a" });
  // @ts-expect-error and stream
  flow.stream(5);
  // @ts-expect-error and runOne
  await runOne(flow, 5);
  await flow.call({ text: "a" }, { id: "order-17", keepMs: 60_000 });
  await flow.emit({ text: "a" }, { id: "order-17" });
  flow.stream({ text: "a" }, { id: "order-17" });
  // @ts-expect-error an id is text
  await flow.call({ text: "a" }, { id: 17 });
  // @ts-expect-error emitNowait cannot wait for what is kept of an id
  flow.emitNowait({ text: "a" }, { id: "order-17" });
  // @ts-expect-error an unknown option
  await flow.call({ text: "a" }, { tennant: "acme" });
}

export async function pauses(ctx: Context): Promise<void> {
  const decided = await ctx.pause<boolean>({ reason: "?", expiresAt: 1, ifExpired: false });
  same<typeof decided, boolean>();
  const made = await ctx.pause<string>({ reason: "?", expiresAt: 1, ifExpired: async () => "no" });
  same<typeof made, string>();
  const anything = await ctx.pause({ reason: "?", expiresAt: 1, ifExpired: "no" });
  // the answer may be of another type than the value without one
  same<typeof anything, unknown>();
  // @ts-expect-error the answer is a boolean, and so is the value without one
  await ctx.pause<boolean>({ reason: "?", expiresAt: 1, ifExpired: "no" });
  // @ts-expect-error the same for the result of a function
  await ctx.pause<boolean>({ reason: "?", expiresAt: 1, ifExpired: () => "no" });
  await ctx.sleep(1, { name: "nap" });
  await ctx.sleepUntil(1);
  // @ts-expect-error an instant is a number of epoch milliseconds
  await ctx.sleepUntil(new Date());
  const signals = ctx.signals<"left" | "right">("steer", { expiresAt: 1 });
  for await (const value of signals) same<typeof value, "left" | "right">();
  const { done, value } = await signals.next();
  if (!done) same<typeof value, "left" | "right">();
  const taken = signals.take();
  same<typeof taken, ("left" | "right")[]>();
  await flow.signal("t", "steer", "left", { tenant: "acme" });
  // @ts-expect-error a signal has a name
  await flow.signal("t");
}

export async function results(): Promise<void> {
  const result = await flow.call({ text: "a" });
  same<typeof result, string>();

  const outcome = await flow.outcome({ text: "a" });
  same<typeof outcome.results, readonly string[]>();
  // @ts-expect-error only a completed trace has a result
  void outcome.result;
  switch (outcome.status) {
    case "completed":
      same<typeof outcome.result, string>();
      // @ts-expect-error a completed trace has no error
      void outcome.error;
      break;
    case "exhausted":
      same<typeof outcome.finalAnswer, FinalAnswer>();
      same<typeof outcome.error, FlowError>();
      break;
    case "empty":
      same<typeof outcome.lastNode, string | undefined>();
      break;
    case "paused":
      same<typeof outcome.pauses, readonly PauseTicket[]>();
      break;
    case "failed":
    case "cancelled":
    case "stopped":
      same<typeof outcome.error, FlowError>();
      break;
    default:
      same<typeof outcome, never>();
  }

  for await (const item of flow.stream({ text: "a" })) {
    if (item.type === "chunk") same<typeof item.chunk, StreamChunk>();
    else if (item.type === "pause") same<typeof item.pause, PauseTicket>();
    else {
      same<typeof item.result, string>();
      same<typeof item.message, Message<string>>();
    }
  }

  const fetched = await flow.fetch();
  if (fetched instanceof FlowError) same<typeof fetched.code extends string ? true : false, true>();
  else same<typeof fetched.payload, string>();

  const one = await runOne(flow, { text: "a" });
  same<typeof one.payload, string>();
}

// several entries: a message goes to all of them, so it must suit all
const left = payloadNode("left", (value: { left: number }) => value.left);
const right = payloadNode("right", (value: { right: string }) => value.right);
const sum = payloadNode("sum", (value: number | string) => String(value));
const entries = create(left.to(sum), right.to(sum)).run();

export async function severalEntries(): Promise<void> {
  await entries.call({ left: 1, right: "r" });
  // @ts-expect-error right is missing
  await entries.call({ left: 1 });
  // @ts-expect-error left is missing
  await entries.call({ right: "r" });
  await entries.call({ left: 1, right: "r" }, { to: "left" });
  await entries.call({ left: 1, right: "r" }, { to: left });
  // @ts-expect-error there is no such node
  await entries.call({ left: 1, right: "r" }, { to: "middle" });
  // @ts-expect-error sum is no entry
  await entries.call({ left: 1, right: "r" }, { to: "sum" });
  // @ts-expect-error sum is no entry
  await entries.emit({ left: 1, right: "r" }, { to: sum });
}

// resources: all that the nodes need together
interface Database {
  readonly db: { find(id: number): string };
}
interface Cache {
  readonly cache: ReadonlyMap<number, string>;
}
const load = node("load", (message: Message<number>, ctx: Context<Database>) => {
  same<typeof ctx.resources, Database>();
  return ctx.resources.db.find(message.payload);
});
const keep = payloadNode("keep", (value: string, ctx: Context<Cache>) => ctx.resources.cache.size + value.length);
const db = { find: String };
const cache = new Map<number, string>();

const needy = create(load.to(keep));
needy.run({ resources: { db, cache } });
// @ts-expect-error resources are needed
needy.run();
// @ts-expect-error resources are needed
needy.run({});
// @ts-expect-error the cache is missing
needy.run({ resources: { db } });
// @ts-expect-error the database is another
needy.run({ resources: { db: 5, cache } });
create(keep.to()).run({ resources: { cache } });
create(search.to(answer)).run();
create(search.to(answer)).run({});

// a node that needs none gets them as unknown
node("careful", (message: Message<number>, ctx) => {
  same<typeof ctx.resources, unknown>();
  return message.payload;
});

// controller loops: working memory goes back to the controller, the rest goes on
const controller = node({ name: "controller", allowCycle: true }, (message: Message<WM<string>>) =>
  message.payload.hops > 2 ? new FinalAnswer({ text: "done" }) : message.payload.with({ facts: ["fact"] }),
);
const print = payloadNode("print", (final: FinalAnswer) => final.text);
const loop = create(controller.to(controller, print)).run();
const bare = create(controller.to(controller)).run();

export async function loops(): Promise<void> {
  const printed = await loop.call(new WM({ query: "q", facts: ["f"] }));
  same<typeof printed, string>();
  const final = await bare.call(new WM<string>({ query: "q" }));
  same<typeof final, FinalAnswer>();
  // @ts-expect-error it begins with working memory
  await loop.call("q");
}

const wantsMemory = payloadNode("wantsMemory", (wm: WM<string>) => wm.query);
// @ts-expect-error what leaves the loop is the final answer, not the working memory
controller.to(controller, wantsMemory);
const once = node("once", (message: Message<WM<string>>) =>
  message.payload.hops > 2 ? new FinalAnswer({ text: "done" }) : message.payload,
);
// @ts-expect-error without allowCycle it may not go back to itself
once.to(once);

// payload and message nodes: what they return is what they send
const returnsMessage = node("returnsMessage", (message: Message<number>) =>
  message.with({ payload: [message.payload] }),
);
const maybe = payloadNode("maybe", (value: number) => (value > 0 ? value : undefined));
const asynchronous = payloadNode("asynchronous", async (value: number) => ({ value }));
const taken = {
  message: create(returnsMessage.to()),
  maybe: create(maybe.to()),
  asynchronous: create(asynchronous.to()),
};
same<Awaited<ReturnType<typeof taken.message.call>>, number[]>();
same<Awaited<ReturnType<typeof taken.maybe.call>>, number>();
same<Awaited<ReturnType<typeof taken.asynchronous.call>>, { value: number }>();
// @ts-expect-error a handler takes two parameters
payloadNode("three", (value: number, _ctx: Context, extra: string) => value + extra);

// budgets: amounts by name; a name without a limit has nothing left to tell
const spender = payloadNode("spender", (value: number, ctx) => {
  const reservation = ctx.budget.reserve({ toolCalls: 1 });
  same<typeof reservation, Reservation>();
  reservation.settle({ toolCalls: 1, costUsd: 0.02 });
  const calls = ctx.budget.left["toolCalls"];
  same<typeof calls, number | undefined>();
  // @ts-expect-error an amount is a number
  ctx.budget.spend({ toolCalls: "1" });
  // @ts-expect-error what is left cannot be set
  ctx.budget.left["toolCalls"] = 3;
  return value;
});

export async function budgets(): Promise<void> {
  const spending = create(spender.to()).run();
  await spending.call(1, { budget: { toolCalls: 20, costUsd: 1 } });
  // @ts-expect-error an amount is a number
  await spending.call(1, { budget: { toolCalls: null } });
  const outcome = await spending.outcome(1);
  same<typeof outcome.spent, Budget>();
  if (outcome.status === "exhausted") same<typeof outcome.which, string>();
  if (outcome.status === "failed" && outcome.error instanceof BudgetExhausted)
    same<typeof outcome.error.budget, string>();
}

// the final meta of a call: that of the outcome's messages, which have the result's type
export async function finalMeta(): Promise<void> {
  const counting = create(
    node("count", (message: Message<string>) => message.with({ payload: message.payload.length })).to(),
  );
  const outcome = await counting.run().outcome("x");
  same<(typeof outcome.messages)[number], Message<number>>();
  same<Message<number>["meta"], Meta>();
  const told: unknown = outcome.messages[0]?.meta["told"];
  // @ts-expect-error meta is checked before it is used
  const events: readonly string[] = outcome.messages[0]?.meta["told"];
  // @ts-expect-error meta is read-only
  if (outcome.messages[0] !== undefined) outcome.messages[0].meta["told"] = [told, events];
}
