import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import { seededRandom } from "../../foundation/random.ts";
import { node, payloadNode } from "../../graph/node.ts";
import type { LoopbackAgent } from "../../memory/loopback-transport.ts";
import { Message, type MessageInit } from "../../message/message.ts";
import type {
  RemoteCallRequest,
  RemoteStreamEvent,
  RemoteTask,
  RemoteTransport,
} from "../../ports/remote-transport.ts";
import { remoteNode } from "../../patterns/remote-node.ts";
import { create } from "../../flow/create.ts";
import { type ContractCase, failureOf, inTime, requireSame, until } from "./contract.ts";
import { type AdapterFault, faultyRemoteTransport } from "../kit/faulty-adapters.ts";

/** A transport and the URL of its agent. */
export interface TestedTransport {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  /** Called at the end of the case. @defaultValue does nothing */
  readonly close?: () => void | Promise<void>;
}

/** Options of {@link remoteTransportContract}. */
export interface RemoteTransportContract {
  /** Starts an agent that offers these skills, and creates a transport that reaches it. */
  readonly make: (skills: Readonly<Record<string, LoopbackAgent>>) => TestedTransport | Promise<TestedTransport>;
}

/**
 * Returns the rules of the `RemoteTransport` port, for authors of adapters. Each case has its own agent.
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

/** The agent, and the calls that its handlers have received. */
class Agent {
  /** Envelope fields of the calls to "echo" that were begun. */
  readonly seen: { readonly tenant: string; readonly meta: unknown; readonly deadlineAt: number | undefined }[] = [];
  /** Number of calls to "fail". */
  failures = 0;
  /** Number of handlers that wait for an abort. */
  waiting = 0;
  /** Lets "halting" continue after its first word. */
  goOn = (): void => {};
  readonly #mayGoOn = new Promise<void>((resolve) => (this.goOn = resolve));
  readonly #flows = {
    echo: create(
      node("echo", ({ payload, meta }: Message, ctx) => {
        this.seen.push({ tenant: ctx.tenant, meta, deadlineAt: ctx.deadlineAt });
        return payload;
      }).to(),
    ),
    spell: create(
      payloadNode("spell", async (text: string, ctx) => {
        for (const letter of text) await ctx.emitChunk({ text: letter });
        return text.length;
      }).to(),
    ),
    report: create(
      payloadNode("report", async (steps: number, ctx) => {
        for (let step = 0; step < steps; step += 1) {
          await ctx.emitChunk({ text: `${step} ` });
          // the program that runs the contract declares no such kind
          await ctx.emitChunk({ kind: "step", data: { step, notes: [null, "ü ✓"] } } as never);
        }
        return steps;
      }).to(),
    ),
    fail: create(
      payloadNode("fail", (): string => {
        this.failures += 1;
        throw new Error("The skill has failed");
      }).to(),
    ),
    halting: create(
      payloadNode("halting", async (text: string, ctx) => {
        await ctx.emitChunk({ text: `${text}, ` });
        await this.#mayGoOn;
        await ctx.emitChunk({ text: "and on" });
        return "done";
      }).to(),
    ),
    ask: create(
      payloadNode("ask", async (question: string, ctx) => {
        const answer = await ctx.pause({ reason: "Which one?", payload: { options: ["a", "b"] } });
        return `${question} ${String(answer)}`;
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
    this.goOn();
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
    requireSame("The result", (await scene.transport.send(request(scene, "echo", "a text"))).result, "a text");
  },
  async "yields the texts of a skill in order, each with its position, and its result with the one last event"(scene) {
    const events = await collect(scene.transport.stream(request(scene, "spell", "pingu ✓")));
    requireSame("The text", textOf(events), "pingu ✓");
    let length = 0;
    for (const { text = "", at } of events) {
      if (text !== "") requireSame(`The place of "${text}"`, at, length);
      length += text.length;
    }
    requireSame("The events that are done", events.filter(({ done }) => done).length, 1);
    requireSame(
      "The last event",
      { done: events.at(-1)?.done, result: events.at(-1)?.result },
      { done: true, result: 7 },
    );
  },
  async "yields chunks with data once and in order, also to a reader that comes later"(scene) {
    const { transport } = scene;
    const wanted = [0, 1, 2].map((step) => ({ kind: "step", data: { step, notes: [null, "ü ✓"] } }));
    const events = await collect(transport.stream(request(scene, "report", 3)));
    const { taskId } = events.find((event) => event.taskId !== undefined) ?? {};
    const { signal } = new AbortController();
    const later = await collect(transport.resubscribe(taskOf(scene, taskId), { signal }));
    for (const answer of [events, later]) {
      const told = answer.flatMap(({ chunk, chunkAt }) => (chunk === undefined ? [] : [{ chunk, chunkAt }]));
      const read = told.map(({ chunk: { kind, data } }) => ({ kind, data }));
      requireSame("The chunks", read, wanted);
      requireSame(
        "Their numbers",
        told.map(({ chunkAt }) => chunkAt),
        [0, 1, 2],
      );
      requireSame("The text", textOf(answer), "0 1 2 ");
    }
  },
  async "reports the id of a task once, before any other part of the answer"(scene) {
    const { transport, agent } = scene;
    for (const kind of ["send", "stream"] as const) {
      const abort = new AbortController();
      const begun: string[] = [];
      const asked = {
        ...request(scene, "wait", kind, { signal: abort.signal }),
        onTask: ({ taskId }: { taskId: string }) => void begun.push(taskId),
      };
      const call = kind === "send" ? transport.send(asked) : collect(transport.stream(asked));
      call.catch(() => {});
      await until(`the task of a ${kind} is known`, () => begun.length === 1 && agent.waiting === 1);
      await transport.cancel(taskOf(scene, begun[0]));
      await failureOf("A call whose task was cancelled", call);
      await until("the skill has stopped", () => agent.waiting === 0);
      requireSame("How often the task was told", begun.length, 1);
    }
  },
  async "fails when the skill fails, at the end of a stream too"(scene) {
    const { transport } = scene;
    await requireCode(FlowErrorCode.REMOTE_FAILED, "A skill that fails", transport.send(request(scene, "fail")));
    const stream = collect(transport.stream(request(scene, "fail", "again")));
    await requireCode(FlowErrorCode.REMOTE_FAILED, "A stream of a skill that fails", stream);
  },
  async "is refused when there is no such skill"(scene) {
    const none = "no such skill";
    await requireCode(FlowErrorCode.REMOTE_REFUSED, "A call", scene.transport.send(request(scene, none)));
    await requireCode(FlowErrorCode.REMOTE_REFUSED, "A stream", collect(scene.transport.stream(request(scene, none))));
  },
  async "sends tenant, meta, deadline and trace context of the caller, and nothing more"(scene) {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const deadlineAt = Date.now() + 60_000;
    const asked = request(scene, "echo", "x", { tenant: "bob", meta: { lang: "de", deep: { list: [1] } }, deadlineAt });
    await scene.transport.send({ ...asked, traceparent, tracestate: "a=b" });
    const [seen] = scene.agent.seen;
    requireSame("The tenant", seen?.tenant, "bob");
    requireSame("The meta", seen?.meta, { lang: "de", deep: { list: [1] }, traceparent, tracestate: "a=b" });
    if (seen?.deadlineAt === undefined || seen.deadlineAt > deadlineAt)
      throw new Error(`The deadline must be ${deadlineAt} or earlier: got ${seen?.deadlineAt}`);
  },
  async "isolates concurrent calls"(scene) {
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
  async "ends a call when its signal aborts"(scene) {
    const { transport, agent } = scene;
    for (const kind of ["send", "stream"] as const) {
      const abort = new AbortController();
      let taskId: string | undefined;
      const asked = {
        ...request(scene, "wait", kind, { signal: abort.signal }),
        onTask: (task: { taskId: string }) => void (taskId = task.taskId),
      };
      const call = kind === "send" ? transport.send(asked) : collect(transport.stream(asked));
      call.catch(() => {});
      await until("the skill has begun", () => agent.waiting === 1 && taskId !== undefined);
      abort.abort(new Error("The caller has left"));
      await failureOf("A call whose signal was aborted", call);
      await transport.cancel(taskOf(scene, taskId));
      await until("the skill has stopped", () => agent.waiting === 0);
    }
  },
  async "does not begin a call whose signal has aborted"(scene) {
    const signal = AbortSignal.abort(new Error("The caller has left"));
    await failureOf("A call whose signal had aborted", scene.transport.send(request(scene, "echo", "x", { signal })));
    const stream = collect(scene.transport.stream(request(scene, "echo", "x", { signal })));
    await failureOf("A stream whose signal had aborted", stream);
    requireSame("The calls that the agent saw", scene.agent.seen, []);
  },
  async "begins one task for a repeated call, and another after that task has failed"(scene) {
    const asked = request(scene, "echo", "once");
    const answers = [await scene.transport.send(asked), await scene.transport.send(asked)];
    requireSame(
      "The results",
      answers.map(({ result }) => result),
      ["once", "once"],
    );
    requireSame("The calls that the agent saw", scene.agent.seen.length, 1);
    const failing = request(scene, "fail");
    for (let time = 1; time <= 2; time += 1) {
      await failureOf("A skill that fails", scene.transport.send(failing));
      requireSame("The calls that the agent saw", scene.agent.failures, time);
    }
  },
  async "resumes the answer of a task whose stream was left, without a gap"(scene) {
    const { transport, agent } = scene;
    let taskId: string | undefined;
    const asked = {
      ...request(scene, "halting", "on"),
      onTask: (task: { taskId: string }) => void (taskId = task.taskId),
    };
    for await (const event of transport.stream(asked)) if (event.text === "on, ") break;
    const { signal } = asked;
    const again: RemoteStreamEvent[] = [];
    for await (const event of transport.resubscribe(taskOf(scene, taskId), { signal })) {
      again.push(event);
      agent.goOn();
    }
    requireSame("The text", textOf(again), "on, and on");
    requireSame("The result", again.at(-1)?.result, "done");
    const after = await collect(transport.resubscribe(taskOf(scene, taskId), { signal }));
    requireSame(
      "What is told of a task that is over",
      { text: textOf(after), done: after.at(-1)?.done, result: after.at(-1)?.result },
      { text: "on, and on", done: true, result: "done" },
    );
  },
  async "reports that a task waits for input when its skill pauses, and continues it"(scene) {
    const { transport } = scene;
    for (const kind of ["send", "stream"] as const) {
      const call = async (asked: RemoteCallRequest) => {
        const last = kind === "send" ? await transport.send(asked) : (await collect(transport.stream(asked))).at(-1);
        return { state: last?.state ?? "completed", result: last?.result, taskId: last?.taskId };
      };
      const { taskId, ...asked } = await call(request(scene, "ask", `${kind}:`));
      const prompt = { reason: "Which one?", payload: { options: ["a", "b"] } };
      requireSame(`What a ${kind} is told`, asked, { state: "input-required", result: prompt });
      const foreign = { ...request(scene, "ask", "x", { tenant: "bob" }), continues: { taskId } };
      await requireCode(FlowErrorCode.REMOTE_REFUSED, "An answer of another tenant", call(foreign));
      const answer = { ...request(scene, "ask", "a"), continues: { taskId } };
      const done = { state: "completed", result: `${kind}: a`, taskId };
      requireSame(`What a ${kind} is told of the answer`, await call(answer), done);
    }
  },
  async "cancels a task by its id, and ignores an unknown one"(scene) {
    const { transport, agent } = scene;
    await transport.cancel(taskOf(scene, "no such task"));
    let taskId: string | undefined;
    const asked = { ...request(scene, "wait"), onTask: (task: { taskId: string }) => void (taskId = task.taskId) };
    const reading = collect(transport.stream(asked));
    reading.catch(() => {});
    await until("the skill has begun and its task is known", () => agent.waiting === 1 && taskId !== undefined);
    await transport.cancel(taskOf(scene, taskId));
    await requireCode(FlowErrorCode.REMOTE_FAILED, "A stream whose task was cancelled", reading);
    await until("the skill has stopped", () => agent.waiting === 0);
    await transport.cancel(taskOf(scene, taskId));
  },
  async "lets no tenant cancel or read the task of another"(scene) {
    const { transport, agent } = scene;
    let taskId: string | undefined;
    const asked = { ...request(scene, "wait"), onTask: (task: { taskId: string }) => void (taskId = task.taskId) };
    const reading = collect(transport.stream(asked));
    reading.catch(() => {});
    await until("the skill has begun and its task is known", () => agent.waiting === 1 && taskId !== undefined);
    const foreign = { ...taskOf(scene, taskId), tenant: "bob" };
    await transport.cancel(foreign);
    const peeping = collect(transport.resubscribe(foreign, { signal: asked.signal }));
    await requireCode(FlowErrorCode.REMOTE_REFUSED, "A reader of another tenant", peeping);
    requireSame("The skills at work", agent.waiting, 1);
    await transport.cancel(taskOf(scene, taskId));
    await failureOf("A stream whose task was cancelled", reading);
  },
  async "answers every call of a remote node, text and result, though calls fail and answers are cut, repeated and reordered"(
    scene,
  ) {
    const faults = new Set<AdapterFault>();
    const transport = faultyRemoteTransport(scene.transport, {
      random: seededRandom(7),
      rate: 0.4,
      clock: { now: () => 0, epochNow: () => 0, setTimer: (callback) => (queueMicrotask(callback), () => {}) },
      onFault: (fault) => void faults.add(fault),
    });
    const { agentUrl } = scene;
    const policy = { maxRetries: 20, backoffBaseMs: 0 };
    const echo = remoteNode("echo", { transport, agentUrl, skill: "echo", policy });
    const spell = remoteNode("spell", { transport, agentUrl, skill: "spell", policy, streaming: true });
    const echoes = create(echo.to()).run();
    const spells = create(spell.to()).run();
    try {
      const numbers = Array.from({ length: 20 }, (_, index) => index);
      requireSame("The results", await Promise.all(numbers.map((number) => echoes.call(number))), numbers);
      const spellOut = async (number: number): Promise<void> => {
        const word = `pingu ${number}`;
        let text = "";
        for await (const item of spells.stream(word)) {
          if (item.type === "result") requireSame(`The result of "${word}"`, item.result, word.length);
          // the next attempt starts from the beginning
          else if (item.type === "chunk") text = item.chunk.end === "retry" ? "" : text + item.chunk.text;
        }
        requireSame("The text", text, word);
      };
      await Promise.all(numbers.map(spellOut));
    } finally {
      await Promise.all([echoes.stop(), spells.stop()]);
    }
    for (const fault of ["refused", "unanswered", "slow", "cut", "repeated", "reordered"] as const)
      if (!faults.has(fault)) throw new Error(`No call or answer was ${fault}, and nothing is proved`);
  },
};

function request(
  { agentUrl }: Scene,
  skill: string,
  payload: unknown = "x",
  options: Pick<MessageInit<unknown>, "meta" | "deadlineAt"> & { tenant?: string; signal?: AbortSignal } = {},
): RemoteCallRequest {
  const { tenant = "ada", signal = new AbortController().signal, ...rest } = options;
  const message = new Message({ payload, headers: { tenant }, ...rest });
  return { message, skill, agentUrl, idempotencyKey: `${message.traceId} ${skill}`, signal };
}

const taskOf = ({ agentUrl }: Scene, taskId: string | undefined): RemoteTask => ({
  tenant: "ada",
  agentUrl,
  taskId: taskId ?? "",
});

const textOf = (events: readonly RemoteStreamEvent[]): string => events.map(({ text = "" }) => text).join("");

async function requireCode(code: FlowErrorCode, what: string, work: Promise<unknown>): Promise<void> {
  const error = await failureOf(what, work);
  requireSame(`The code of the failure of ${what}`, error instanceof FlowError ? error.code : String(error), code);
}

async function collect(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent[]> {
  const all: RemoteStreamEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
