import type { ClusterBackend, StoredResult } from "penguiflow/adapter";
import { readOutcome } from "penguiflow/durable";
import type { CheckpointPartition, FinalOutcome } from "penguiflow";
import { wrapPartition } from "../../../core/src/testing/kit/wrap-partition.ts";
import type { Command, ResultBody } from "../../src/form/command.ts";
import { readMessage } from "../../src/form/text.ts";
import type { HistoryEvent } from "./history.ts";

type Note = (event: HistoryEvent) => void;

/** Wraps a backend whose answers are noted. Calls that are not answered are not. */
export function observedBackend(backend: ClusterBackend, note: Note): ClusterBackend {
  const { checkpoints, intake, results } = backend;
  return {
    registry: backend.registry,
    wire: backend.wire,
    limits: backend.limits,
    checkpoints: {
      share: (request) => checkpoints.share(request),
      async open(lease) {
        const opened = await checkpoints.open(lease);
        const { partition } = lease;
        const { fencingToken: epoch, sequence } = opened;
        note({ type: "opened", partition, epoch, sequence });
        return observedPartition(opened, partition, note);
      },
    },
    intake: {
      offer: (offers) => intake.offer(offers),
      trim: (partition, upTo) => intake.trim(partition, upTo),
      backlog: (partitions) => intake.backlog(partitions),
      async read(partition, after, limit) {
        const items = await intake.read(partition, after, limit);
        for (const { lane, sequence, body } of items) {
          const command = readMessage<Command>(body);
          if (command?.kind === "call")
            note({ type: "read", partition, lane, sequence, tenant: command.tenant, id: command.id });
        }
        return items;
      },
    },
    results: {
      get: (keys, read) => results.get(keys, read),
      async put(all) {
        const answers = await results.put(all);
        for (const [index, { key, isFinal, body }] of all.entries())
          if (isFinal) {
            const answer = answers[index] === "superseded" ? "superseded" : "stored";
            note({ type: "result", ...key, outcome: outcomeOf(body), answer });
          }
        return answers;
      },
      async forget(kept) {
        await results.forget(kept);
        for (const { key } of kept) note({ type: "forgotten", ...key });
      },
    },
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

function observedPartition(opened: CheckpointPartition, partition: string, note: Note): CheckpointPartition {
  const { fencingToken: epoch } = opened;
  return wrapPartition(opened, {
    async append(batch, expectedSequence) {
      const sequence = await opened.append(batch, expectedSequence);
      const put = batch.put.map(({ run, tenant, traceId: id, status }) => ({ run, tenant, id, status }));
      note({ type: "appended", partition, epoch, sequence, put });
      return sequence;
    },
  });
}

/** Writes an outcome so that equal ones have equal texts. */
export function textOf(outcome: Pick<FinalOutcome, "status"> & { readonly results: readonly unknown[] }): string {
  return JSON.stringify({ status: outcome.status, results: outcome.results });
}

/** Reads the outcome of a stored result. Returns the text of another one, such as the answer to a command. */
export function outcomeOf(body: StoredResult["body"]): string {
  const result = readMessage<ResultBody>(body);
  return result?.kind === "outcome" ? textOf(readOutcome(result.outcome)) : JSON.stringify(result);
}
