import type { FlowRun, UnfinishedTrace } from "penguiflow";
import type { FailedAnswer, FailedQuestion, FailedTrace } from "../form/command.ts";
import { toBytes } from "../form/text.ts";

/** Traces of one answer: they fit into a message of the wire. */
const MOST_TRACES = 200;
const MOST_CHARACTERS = 500;

/** Tells the traces of a partition that have failed or are parked. One that cannot be read is not answered: it is asked again. */
export async function answerFailed(
  run: FlowRun<unknown, unknown>,
  partition: number,
  { tenant }: FailedQuestion,
  mostBytes: number,
  tell: (answer: Uint8Array) => void,
): Promise<void> {
  let all: readonly UnfinishedTrace[];
  try {
    all = await run.recovery.unfinished();
  } catch {
    return;
  }
  const failed = all.flatMap((trace) => (tenant === undefined || trace.tenant === tenant ? described(trace) : []));
  let count = Math.min(failed.length, MOST_TRACES);
  for (;;) {
    const answer: FailedAnswer = { partition, traces: failed.slice(0, count), hasMore: count < failed.length };
    const body = toBytes(answer);
    if (body.length <= mostBytes || count === 0) {
      tell(body);
      return;
    }
    count = Math.floor(count / 2);
  }
}

function described({ traceId, tenant, status, startedAt, nodes, error }: UnfinishedTrace): FailedTrace[] {
  if (status !== "failed" && status !== "parked") return [];
  const message = (error?.cause ?? error)?.message.slice(0, MOST_CHARACTERS);
  return [{ id: traceId, tenant, status, startedAt, nodes, code: error?.code, message }];
}
