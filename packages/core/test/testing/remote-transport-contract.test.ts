import { LoopbackTransport, type RemoteTransport } from "penguiflow";
import { remoteTransportContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";

/** Whether a loopback with a defect obeys a rule of the contract. */
async function keeps(rule: string, change: (sound: LoopbackTransport) => Partial<RemoteTransport>): Promise<boolean> {
  const cases = remoteTransportContract({
    make(skills) {
      const sound = new LoopbackTransport(skills);
      const transport: RemoteTransport = {
        send: (request) => sound.send(request),
        stream: (request) => sound.stream(request),
        resubscribe: (task, options) => sound.resubscribe(task, options),
        cancel: (task) => sound.cancel(task),
        ...change(sound),
      };
      return { transport, agentUrl: "loopback" };
    },
  });
  const found = cases.find(({ name }) => name === rule);
  if (found === undefined) throw new Error(`There is no rule "${rule}"`);
  return await found.run().then(
    () => true,
    () => false,
  );
}

const defects: readonly (readonly [
  defect: string,
  rule: string,
  change: (sound: LoopbackTransport) => Partial<RemoteTransport>,
])[] = [
  [
    "never reports its task",
    "reports the id of a task once, before any other part of the answer",
    (sound) => ({ send: ({ onTask: _, ...request }) => sound.send(request) }),
  ],
  [
    "tells its task twice",
    "reports the id of a task once, before any other part of the answer",
    (sound) => ({
      send: ({ onTask, ...request }) =>
        sound.send({
          ...request,
          onTask(task) {
            onTask?.(task);
            onTask?.(task);
          },
        }),
    }),
  ],
  [
    "has no places",
    "yields the texts of a skill in order, each with its position, and its result with the one last event",
    (sound) => ({
      async *stream(request) {
        for await (const { at: _, ...event } of sound.stream(request)) yield event;
      },
    }),
  ],
  [
    "hides that a task failed",
    "fails when the skill fails, at the end of a stream too",
    (sound) => ({ send: (request) => sound.send(request).catch(() => ({ result: undefined })) }),
  ],
  [
    "forgets meta",
    "sends tenant, meta, deadline and trace context of the caller, and nothing more",
    (sound) => ({ send: (request) => sound.send({ ...request, message: request.message.with({ meta: {} }) }) }),
  ],
  [
    "forgets the caller's place in its trace",
    "sends tenant, meta, deadline and trace context of the caller, and nothing more",
    (sound) => ({ send: ({ traceparent: _, ...request }) => sound.send(request) }),
  ],
  [
    "begins a task for each call",
    "begins one task for a repeated call, and another after that task has failed",
    (sound) => {
      let calls = 0;
      return { send: (request) => sound.send({ ...request, idempotencyKey: `${(calls += 1)}` }) };
    },
  ],
  [
    "cancels a task when its stream is left",
    "resumes the answer of a task whose stream was left, without a gap",
    (sound) => ({
      async *stream(request) {
        let task = { tenant: "ada", agentUrl: "loopback", taskId: "" };
        const onTask: typeof request.onTask = (ids) => {
          task = { ...task, ...ids };
          request.onTask?.(ids);
        };
        try {
          yield* sound.stream({ ...request, onTask });
        } finally {
          await sound.cancel(task);
        }
      },
    }),
  ],
  [
    "takes an answer up where it is, and not from its beginning",
    "resumes the answer of a task whose stream was left, without a gap",
    (sound) => ({
      async *resubscribe(task, options) {
        let isFirst = true;
        for await (const event of sound.resubscribe(task, options)) {
          if (!isFirst) yield event;
          else if (event.text !== undefined) yield { ...event, text: "", at: event.text.length };
          isFirst = false;
        }
      },
    }),
  ],
  [
    "fails when it is to cancel what it does not know",
    "cancels a task by its id, and ignores an unknown one",
    () => ({ cancel: () => Promise.reject(new Error("No such task")) }),
  ],
  [
    "does not ask whose task it is",
    "lets no tenant cancel or read the task of another",
    (sound) => ({ cancel: (task) => sound.cancel({ ...task, tenant: "ada" }) }),
  ],
  [
    "takes a task that waits for one that is complete",
    "reports that a task waits for input when its skill pauses, and continues it",
    (sound) => ({ send: async (request) => ({ ...(await sound.send(request)), state: undefined }) }),
  ],
  [
    "does not tell refusals from failures",
    "is refused when there is no such skill",
    (sound) => ({ send: (request) => sound.send(request).catch(() => Promise.reject(new Error("Status 404"))) }),
  ],
];

describe("the contract of transports notices one that", () => {
  test.for(defects)("%s", { timeout: 20_000 }, async ([, rule, change]) => {
    expect(await keeps(rule, () => ({}))).toBe(true);
    expect(await keeps(rule, change)).toBe(false);
  });
});
