import { setTimeout as sleep } from "node:timers/promises";
import { type FlowEvent, formatFlowEvent } from "penguiflow";
import { command } from "../command-line/command.ts";
import { DELAY_FLAG, JSON_FLAG, STORE_FLAG, TAIL_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { Exit } from "../exit.ts";
import { readTrace } from "../store/read-trace.ts";
import { printJson } from "../text.ts";

export const history = command({
  name: "history",
  summary: "Prints the events of a trace in a state store",
  words: [{ name: "trace", help: "id of the trace" }],
  flags: {
    tail: TAIL_FLAG,
    delay: DELAY_FLAG,
    tenant: TENANT_FLAG,
    store: STORE_FLAG,
    json: { ...JSON_FLAG, help: "prints one JSON object a line" },
  },
  examples: ["penguiflow history order-17 --store runs.db --tail 20"],
  exits: [Exit.FAILED, Exit.UNKNOWN],
  async run({ words: [traceId = ""], flags: { tail, delay, tenant, store, json }, io }) {
    await readTrace(io, { traceId, tenant, store, tail }, async ({ payload }) => {
      if (json) printJson(io, payload, true);
      else io.out(`${formatFlowEvent(payload as unknown as FlowEvent)}\n`);
      if (delay > 0) await sleep(delay, undefined, { signal: io.signal });
    });
    return Exit.OK;
  },
});
