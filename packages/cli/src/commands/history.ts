import { setTimeout as sleep } from "node:timers/promises";
import { type FlowEvent, formatFlowEvent, readHistory, type StoredEvent } from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, STORE_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { CliError, Exit } from "../exit.ts";
import { withStore } from "../store/open-store.ts";
import { printJson } from "../text.ts";

export const history = command({
  name: "history",
  summary: "Prints the events of a trace in a state store",
  words: [{ name: "trace", help: "id of the trace" }],
  flags: {
    tail: { type: "integer", least: 1, help: "only the last ones" },
    delay: { type: "integer", least: 0, default: 0, help: "milliseconds between two events, to follow with the eye" },
    tenant: TENANT_FLAG,
    store: STORE_FLAG,
    json: { ...JSON_FLAG, help: "prints one JSON object a line" },
  },
  examples: ["penguiflow history order-17 --store runs.db --tail 20"],
  exits: [Exit.FAILED, Exit.UNKNOWN],
  async run({ words: [traceId = ""], flags: { tail, delay, tenant, store: named, json }, io }) {
    const last: StoredEvent[] = [];
    const print = async ({ payload }: StoredEvent): Promise<void> => {
      if (json) printJson(io, payload, true);
      else io.out(`${formatFlowEvent(payload as unknown as FlowEvent)}\n`);
      if (delay > 0) await sleep(delay, undefined, { signal: io.signal });
    };
    let count = 0;
    await withStore(io, named, async (store) => {
      for await (const event of readHistory(store, { tenant, traceId })) {
        count += 1;
        if (tail === undefined) await print(event);
        else if (last.push(event) > tail) last.shift();
      }
    });
    for (const event of last) await print(event);
    if (count > 0) return Exit.OK;
    throw new CliError({
      code: "RUN_UNKNOWN",
      exit: Exit.UNKNOWN,
      message: `The store has no events of trace "${traceId}" of tenant "${tenant}"`,
      hint: "penguiflow runs list shows what there is",
    });
  },
});
