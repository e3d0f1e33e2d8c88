import { type FailedAnswer, type FailedQuestion, type FailedTrace, ownerSubject } from "../form/command.ts";
import { every } from "../form/machine.ts";
import { type Deployment, partitionNames } from "../form/place.ts";
import { readMessage, toBytes } from "../form/text.ts";
import type { ClusterSettings } from "../worker/settings.ts";

/** Traces of a flow that go on only when someone acts. */
export interface FailedTraces {
  readonly flow: string;
  readonly version: string;
  /** Oldest first; at most 200 of each partition. */
  readonly traces: readonly FailedTrace[];
  /** Whether a partition has more than it told. */
  readonly hasMore: boolean;
  /** Indices of the partitions that have not answered in time: they have no owner, or a busy one. */
  readonly silent: readonly number[];
}

const ASK_EVERY_MS = 250;

/** Asks the owner of each partition for its failed traces, again and again until it answers. */
export async function readFailed(
  { backend, machine }: ClusterSettings,
  deployment: Deployment,
  { tenant, timeoutMs }: { readonly tenant: string | undefined; readonly timeoutMs: number },
): Promise<FailedTraces> {
  const { wire } = backend;
  const { clock } = machine;
  const inbox = `failed-${machine.newId(12)}`;
  const question: FailedQuestion = { asks: "failed", tenant, inbox };
  const silent = new Map(partitionNames(deployment).map((name, index) => [index, name]));
  const answers: FailedAnswer[] = [];
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  const answering = wire.subscribe(inbox, (body) => {
    const answer = readMessage<FailedAnswer>(body);
    if (answer === undefined || !silent.delete(answer.partition)) return;
    answers.push(answer);
    if (silent.size === 0) end();
  });
  const ask = (): void => {
    for (const name of silent.values()) wire.publish(ownerSubject(name), toBytes(question));
  };
  ask();
  const stopAsking = every(clock, ASK_EVERY_MS, ask);
  const cancel = clock.setTimer(end, timeoutMs);
  await isOver;
  stopAsking();
  cancel();
  answering[Symbol.dispose]();
  return {
    flow: deployment.flow,
    version: deployment.version,
    traces: answers.flatMap(({ traces }) => traces).toSorted((one, other) => one.startedAt - other.startedAt),
    hasMore: answers.some(({ hasMore }) => hasMore),
    silent: [...silent.keys()],
  };
}
