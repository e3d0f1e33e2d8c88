import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { SavedPause, SavedTrace } from "./saved-trace.ts";
import { readStored } from "./stored-version.ts";

/**
 * Reads the stored state of an entry.
 *
 * @throws FlowError `GRAPH_CHANGED` when it was written by a newer version
 */
export function readState({ version, state, traceId, tenant }: Checkpoint): SavedTrace {
  const read = readStored({ version, state, traceId, tenant }) as SavedTrace;
  return version === 1 && read.pauses !== undefined ? { ...read, pauses: keyedByReason(read.pauses) } : read;
}

/**
 * Converts pauses of format 1 to the keys of format 2. Where two pauses of one handler have the same reason, only their
 * order distinguished them. No handler finds those, so that no answer can go to another question.
 */
function keyedByReason(pauses: readonly SavedPause[]): SavedPause[] {
  const keys = pauses.map(keyOfFirstForm);
  return pauses.map((pause, index) => {
    const key = keys[index] as string;
    return { ...pause, key: keys.indexOf(key) === keys.lastIndexOf(key) ? key : pause.key };
  });
}

/** Returns the format 2 key of a format 1 pause, which does not name the flow of a playbook. */
function keyOfFirstForm({ key, node, reason }: SavedPause): string {
  const place = key.slice(0, key.lastIndexOf("."));
  const [root, own] = place.split("/");
  return `${place}${root === own ? "" : `@/${node}`}.${reason}`;
}
