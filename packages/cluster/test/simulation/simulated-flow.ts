import {
  type Context,
  create,
  type Flow,
  joinK,
  type Logger,
  payloadNode,
  type Random,
  type Schema,
  shape,
} from "penguiflow";
import { type Deployment, partitionOf } from "../../src/form/place.ts";
import { nameOf, type TraceName } from "../history/history.ts";
import type { Happens } from "./simulated-server.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

/** Request of a simulated cluster. */
export interface Order {
  readonly id: string;
  readonly tenant: string;
  /** Whether a person is asked. */
  readonly asks: boolean;
  /** Node at which it fails until it is tried again. */
  readonly fails: "pay" | "ship" | undefined;
  /** Whether it waits for two signals. */
  readonly listens: boolean;
  /** Whether "pay" writes a stream. */
  readonly streams: boolean;
  /** Node whose handler ends its worker, until the trace is tried again. */
  readonly kills: "take" | "pay" | undefined;
  /** Deadline, and the budget of {@link INK}, which reach each node. */
  readonly deadlineAt: number | undefined;
}

/** Amount of ink that a trace with a budget may spend, and that "pay" spends. */
export const INK = { budget: 1_000, spent: 2 };

export interface Receipt {
  readonly id: string;
  /** Version of the flow that has made it. */
  readonly by: string;
  readonly answer: unknown;
  /** Values of the signals that it has received. */
  readonly heard: readonly string[];
}

/** Nodes of the simulated flow, with the number of messages that each completes of a trace. */
export const NODES: ReadonlyMap<string, number> = new Map([
  ["take", 1],
  ["pick", 1],
  ["pay", 1],
  ["both", 1],
  ["ask", 1],
  ["ship", 1],
]);

/** Whether an answer to a question fits. */
const isFit = (answer: unknown): boolean => typeof answer === "string" && answer.startsWith("answer");

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const DELAYS_MS = [1, 5, 50, 300];
/** Chunks of a stream. */
const CHUNKS = 4;

/** The world outside of the cluster, which the handlers of all machines share. */
export interface World {
  readonly random: Random;
  readonly happens: Happens;
  /** Called at the beginning of each handler. */
  readonly handled: (machine: SimulatedMachine, node: string, trace: TraceName) => void;
  /** Called when an order fails for good. */
  readonly failing: (order: Order, traceId: string) => void;
  /** Receives what is broken. */
  readonly wrong: (what: string) => void;
  /** Ends the process in which a handler runs. */
  readonly kill: (machine: SimulatedMachine) => void;
  /** Whether a failing order may go through now. */
  readonly isMended: (order: Order) => boolean;
}

/** Options of a simulated flow. */
export interface SimulatedFlow {
  readonly deployment: Deployment;
  /** Placement of "pay". */
  readonly placement: string | undefined;
}

/** Creates the flow of a simulated worker: a fan-out, a join, a question and a last step that may fail. */
export function simulatedFlow(
  machine: SimulatedMachine,
  world: World,
  { deployment, placement }: SimulatedFlow,
): Flow<Order, Receipt> {
  const { random, happens } = world;
  const begin = (node: string, { tenant, deadlineAt }: Order, ctx: Context): void => {
    const { traceId: id } = ctx;
    const flow = node === "pay" && placement !== undefined ? `${deployment.flow}/pay` : deployment.flow;
    const trace: TraceName = { partition: partitionOf({ ...deployment, flow }, tenant, id), tenant, id };
    world.handled(machine, node, trace);
    if (deadlineAt === undefined) return;
    if (ctx.deadlineAt !== deadlineAt) world.wrong(`Deadline: "${node}" of ${nameOf(trace)} has ${ctx.deadlineAt}`);
    const most = INK.budget - (node === "ship" ? INK.spent : 0);
    const left = ctx.budget.left["ink"] ?? Infinity;
    if (left > most) world.wrong(`Budget: "${node}" of ${nameOf(trace)} has ${left} left, of ${most}`);
  };
  const work = async (node: string, order: Order, ctx: Context): Promise<void> => {
    begin(node, order, ctx);
    if (order.kills === node && !world.isMended(order) && !machine.hasEnded) {
      world.kill(machine);
      await new Promise<never>(() => {});
    }
    if (happens("a handler throws")) throw new Error("Simulated fault of a handler");
    if (happens("a handler is slow")) await ctx.sleep(DELAYS_MS[Math.floor(random() * DELAYS_MS.length)]!);
  };
  /** Checks an answer, which may take a while: its worker may end before. */
  const resumeSchema: Schema<string> = {
    "~standard": {
      version: 1,
      vendor: "simulation",
      validate: async (value) => {
        if (happens("a handler is slow")) await new Promise<void>((resolve) => machine.later(resolve, 50));
        return isFit(value) ? { value: value as string } : { issues: [{ message: "It must be an answer" }] };
      },
    },
  };
  const policy = { maxRetries: 3, backoffBaseMs: 10 };
  const take = payloadNode({ name: "take", policy }, async (order: Order, ctx) => {
    await work("take", order, ctx);
    return order;
  });
  const pick = payloadNode({ name: "pick", policy }, async (order: Order, ctx) => {
    await work("pick", order, ctx);
    return order;
  });
  const pay = payloadNode({ name: "pay", policy, placement }, async (order: Order, ctx) => {
    await work("pay", order, ctx);
    if (order.fails === "pay" && !world.isMended(order)) throw new Error(`No money for ${ctx.traceId}`);
    for (let left = order.streams ? CHUNKS : 0; left > 0; left -= 1) {
      await ctx.emitChunk({ text: `${left}` });
      if (happens("a handler is slow")) await ctx.sleep(DELAYS_MS[Math.floor(random() * DELAYS_MS.length)]!);
    }
    if (order.deadlineAt !== undefined) ctx.budget.spend({ ink: INK.spent });
    return order;
  });
  const both = joinK("both", 2, { input: shape<Order>() });
  const ask = payloadNode({ name: "ask", policy }, async ([order]: [Order, Order], ctx): Promise<[Order, Receipt]> => {
    await work("ask", order, ctx);
    const answer = order.asks ? await ctx.pause({ reason: `Ship ${order.id}?`, resumeSchema }) : undefined;
    const heard: string[] = [];
    const signals = ctx.signals<string>("go");
    while (order.listens && heard.length < 2) heard.push(String((await signals.next()).value));
    return [order, { id: order.id, by: deployment.version, answer, heard }];
  });
  const ship = payloadNode({ name: "ship" }, async ([order, receipt]: [Order, Receipt], ctx): Promise<Receipt> => {
    begin("ship", order, ctx);
    if (order.fails === "ship" && !world.isMended(order)) {
      world.failing(order, ctx.traceId);
      throw new Error(`No stock for ${ctx.traceId}`);
    }
    return receipt;
  });
  return create(take.to(pick, pay), pick.to(both), pay.to(both), both.to(ask), ask.to(ship), {
    name: deployment.flow,
    logger: SILENT,
    clock: machine.clock,
    scheduler: machine.scheduler,
    random,
  });
}
