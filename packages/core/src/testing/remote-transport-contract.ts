import { requireFunction, requireKnownKeys } from "../foundation/options.ts";
import { seededRandom } from "../foundation/random.ts";
import { payloadNode } from "../graph/node.ts";
import type { LoopbackAgent } from "../memory/loopback-transport.ts";
import { Message } from "../message/message.ts";
import type { RemoteCallRequest, RemoteStreamEvent, RemoteTransport } from "../ports/remote-transport.ts";
import { create } from "../runtime/create.ts";
import { type ContractCase, failureOf, inTime, requireSame, until } from "./contract.ts";
import { faultyRemoteTransport } from "./faulty-adapters.ts";

/** A transport and where it leads. */
export interface TestedTransport {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  /** Called at the end of the case. @defaultValue nothing to do */
  readonly close?: () => void | Promise<void>;
}

/** What {@link remoteTransportContract} tests. */
export interface RemoteTransportContract {
  /** Has an agent offer these skills, and makes a transport that reaches it. */
  readonly make: (skills: Readonly<Record<string, LoopbackAgent>>) => TestedTransport | Promise<TestedTransport>;
}

/**
 * The rules of the `RemoteTransport` port, for whoever writes an adapter. Each case has an agent of its own.
 *
 * @example
 * ```ts
 * const make = async (skills) => ({ transport: new MyTransport(), agentUrl: await serve(skills) });
 * for (const { name, run } of remoteTransportContract({ make })) test(name, run);
 * ```
 */
export function remoteTransportContract(options: RemoteTransportContract): ContractCase[] {
  requireKnownKeys("remoteTransportContract", options, ["make"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const agent = new Agent();
      const { transport, agentUrl, close } = await options.make(agent.skills);
      try {
        await inTime(`"${name}"`, rule({ transport, agentUrl, agent }));
      } finally {
        await close?.();
        await agent.stop();
      }
    },
  }));
}

/** The other side: what its handlers have seen. */
class Agent {
  /** Tenants of the calls that were begun. */
  readonly tenants: string[] = [];
  /** Handlers that wait to be told to stop. */
  waiting = 0;
  readonly #flows = {
    echo: create(
      payloadNode("echo", (payload: unknown, ctx) => {
        this.tenants.push(ctx.tenant);
        return payload;
      }).to(),
    ),
    spell: create(
      payloadNode("spell", async (text: string, ctx) => {
        for (const letter of text) await ctx.emitChunk({ text: letter });
        return text.length;
      }).to(),
    ),
    fail: create(
      payloadNode("fail", (): string => {
        throw new Error("The skill has failed");
      }).to(),
    ),
    wait: create(
      payloadNode("wait", async (_: unknown, ctx): Promise<string> => {
        this.waiting += 1;
        await ctx.emitChunk({ text: "begun" });
        await new Promise<void>((resolve) => {
          ctx.signal.addEventListener("abort", () => resolve(), { once: true });
        });
        this.waiting -= 1;
        throw ctx.signal.reason;
      }).to(),
    ),
  };
  readonly skills: Readonly<Record<string, LoopbackAgent>> = this.#flows;

  constructor() {
    for (const flow of Object.values(this.#flows)) flow.run();
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#flows).map((flow) => flow.stop()));
  }
}

interface Scene {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  readonly agent: Agent;
}

const rules: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async "answers a call with the result of the skill"(scene) {
    const payload = { text: "ü ✓\n", list: [1, null, { deep: true }] };
    requireSame("The result", (await scene.transport.send(request(scene, "echo", payload))).result, payload);
  },
  async "yields the texts of a skill in their order, and its result with the one event that is done"(scene) {
    const events = await collect(scene.transport.stream(request(scene, "spell", "pingu")));
    requireSame("The text", events.map(({ text }) => text ?? "").join(""), "pingu");
    requireSame("The events that are done", events.filter(({ done }) => done).length, 1);
    requireSame(
      "The last event",
      { done: events.at(-1)?.done, result: events.at(-1)?.result },
      { done: true, result: 5 },
    );
  },
  async "fails when the skill fails, at the end of a stream too"(scene) {
    await failureOf("A call of a skill that fails", scene.transport.send(request(scene, "fail")));
    await failureOf("A stream of a skill that fails", collect(scene.transport.stream(request(scene, "fail"))));
  },
  async "fails when there is no such skill"(scene) {
    await failureOf("A call of a skill that there is not", scene.transport.send(request(scene, "no such skill")));
  },
  async "carries the tenant"(scene) {
    await scene.transport.send(request(scene, "echo", "x", { tenant: "bob" }));
    requireSame("The tenants that the agent saw", scene.agent.tenants, ["bob"]);
  },
  async "keeps calls apart that are made at once"(scene) {
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    const answers = await Promise.all(
      numbers.map((number) => scene.transport.send(request(scene, "echo", number, { tenant: `tenant ${number % 3}` }))),
    );
    requireSame(
      "The results",
      answers.map(({ result }) => result),
      numbers,
    );
  },
  async "gives a call up when its signal aborts, and stops the work behind it"(scene) {
    const abort = new AbortController();
    const call = scene.transport.send(request(scene, "wait", "x", { signal: abort.signal }));
    call.catch(() => {});
    await until("the skill has begun", () => scene.agent.waiting === 1);
    abort.abort(new Error("The caller has left"));
    await failureOf("A call whose signal was aborted", call);
    await until("the skill has stopped", () => scene.agent.waiting === 0);
  },
  async "does not begin a call whose signal has aborted"(scene) {
    const signal = AbortSignal.abort(new Error("The caller has left"));
    await failureOf("A call whose signal had aborted", scene.transport.send(request(scene, "echo", "x", { signal })));
    requireSame("The calls that the agent saw", scene.agent.tenants, []);
  },
  async "stops the work behind a stream that is left"(scene) {
    for await (const event of scene.transport.stream(request(scene, "wait"))) if (event.text === "begun") break;
    await until("the skill has stopped", () => scene.agent.waiting === 0);
  },
  async "cancels a task by its id, and leaves alone one that it does not know"(scene) {
    const { transport, agentUrl, agent } = scene;
    await transport.cancel({ agentUrl, taskId: "no such task" });
    let taskId: string | undefined;
    const reading = (async () => {
      for await (const event of transport.stream(request(scene, "wait"))) taskId = event.taskId ?? taskId;
    })();
    reading.catch(() => {});
    await until("the skill has begun and its task is known", () => agent.waiting === 1 && taskId !== undefined);
    await transport.cancel({ agentUrl, taskId: taskId as string });
    await failureOf("A stream whose task was cancelled", reading);
    await until("the skill has stopped", () => agent.waiting === 0);
  },
  async "answers every call of a node with retries though calls fail"(scene) {
    let failed = 0;
    const transport = faultyRemoteTransport(scene.transport, {
      random: seededRandom(7),
      rate: 0.4,
      clock: { now: () => 0, epochNow: () => 0, setTimer: (callback) => (queueMicrotask(callback), () => {}) },
      onFault: (fault) => void (failed += fault === "slow" ? 0 : 1),
    });
    const call = payloadNode({ name: "call", policy: { maxRetries: 20, backoffBaseMs: 0 } }, async (_: number, ctx) => {
      const { idempotencyKey, signal, message } = ctx;
      const asked = { message, skill: "echo", agentUrl: scene.agentUrl, idempotencyKey, signal };
      return (await transport.send(asked)).result as number;
    });
    const flow = create(call.to());
    flow.run();
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const results = await Promise.all(numbers.map((number) => flow.call(number)));
    await flow.stop();
    requireSame("The results", results, numbers);
    if (failed === 0) throw new Error("No call has failed, and nothing is proved");
  },
};

function request(
  { agentUrl }: Scene,
  skill: string,
  payload: unknown = "x",
  { tenant = "ada", signal = new AbortController().signal }: { tenant?: string; signal?: AbortSignal } = {},
): RemoteCallRequest {
  const message = new Message({ payload, headers: { tenant } });
  return { message, skill, agentUrl, idempotencyKey: `${skill} ${String(payload)}`, signal };
}

async function collect(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent[]> {
  const all: RemoteStreamEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
