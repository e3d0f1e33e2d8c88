import { Flow, type Outbox } from "penguiflow";
import { Signalling } from "../../../core/src/engine/context/signalling.ts";
import { LostOwners } from "../../../core/src/durable/traces/lost-owners.ts";
import { Positions } from "../../../core/src/durable/store/positions.ts";
import type { ClusterCallOptions } from "../../src/client/call.ts";
import { Client } from "../../src/client/client.ts";
import { IdBindings } from "../../src/worker/id-bindings.ts";
import { InFlight } from "../../src/worker/in-flight.ts";
import { PauseClaims } from "../../src/worker/pause-claims.ts";
import { TraceCommands } from "../../src/worker/trace-commands.ts";
import type { ServerDefect } from "./simulated-server.ts";

/** Defects of a cluster that its simulation must find. */
export const DEFECTS = [
  "position recorded early",
  "remove before put",
  "fence dropped",
  "stale lookup trusted",
  "intake position not filtered",
  "command consumed before its effect is stored",
  "result overwritten",
  "ended lease renewed",
  "signal of a command stored again",
  "lost owners not counted",
  "unfit answer told by the wire alone",
  "notes overtake each other",
  "version of an id ignored",
  "placed node called under a new key",
  "budget kept from a placed node",
  "deadline kept from a placed node",
  "refusal told by the wire alone",
  "outcomes of earlier owners not counted",
] as const;
export type Defect = (typeof DEFECTS)[number];

interface Starting {
  start(options: { readonly outbox: Outbox }): unknown;
}

/** Replaces a method by a defective one. Returns the function that repairs it. */
function replace<Owner extends object, Name extends keyof Owner>(
  owner: Owner,
  name: Name,
  defective: (sound: Owner[Name], self: Owner) => Owner[Name],
): () => void {
  const sound = owner[name] as (...args: unknown[]) => unknown;
  owner[name] = function (this: Owner, ...args: unknown[]): unknown {
    return (defective(sound.bind(this) as Owner[Name], this) as typeof sound)(...args);
  } as Owner[Name];
  return () => {
    owner[name] = sound as Owner[Name];
  };
}

/** Changes the options with which placed nodes are called. */
const replaceOfPlaced = (change: (options: ClusterCallOptions) => ClusterCallOptions) => () =>
  replace(
    Client.prototype,
    "stream",
    (sound) => (flow, input, options) => sound(flow, input, flow.name.includes("/") ? change(options ?? {}) : options),
  );

const plants: Partial<Record<Defect, () => () => void>> = {
  "position recorded early": () =>
    replace(Positions.prototype, "expect", (sound) => (position) => {
      sound(position)?.();
      return () => false;
    }),
  "remove before put": () =>
    replace(Flow.prototype as Starting, "start", (sound) => (options) => {
      const { outbox } = options;
      // resolves before the outcome is stored
      const deliver: Outbox["deliver"] = async (outcome) => void outbox.deliver(outcome).catch(() => {});
      return sound({ ...options, outbox: { ...outbox, deliver } });
    }),
  "signal of a command stored again": () =>
    replace(Signalling.prototype, "accept", (sound) => (trace, name, value) => sound(trace, name, value)),
  "lost owners not counted": () => replace(LostOwners.prototype, "countOf", () => () => 0),
  "unfit answer told by the wire alone": () => replace(PauseClaims.prototype, "settle", () => async () => {}),
  "version of an id ignored": () =>
    replace(IdBindings.prototype, "bind", (sound) => async (ids) => {
      await sound(ids);
      return new Map();
    }),
  "placed node called under a new key": () => {
    let calls = 0;
    return replaceOfPlaced((options) => ({ ...options, id: `${options.id}.${(calls += 1)}` }))();
  },
  "budget kept from a placed node": replaceOfPlaced(({ budget: _, ...options }) => options),
  "deadline kept from a placed node": replaceOfPlaced(({ deadlineAt: _, ...options }) => options),
  "outcomes of earlier owners not counted": () =>
    replace(
      InFlight.prototype,
      "begin",
      (sound) =>
        ({ traces }) =>
          sound({ traces, undeliveredOutcomes: 0 }),
    ),
  "intake position not filtered": () => replace(Positions.prototype, "restore", () => () => {}),
  "command consumed before its effect is stored": () =>
    replace(TraceCommands.prototype, "obey", (sound) => async (run, item, command, accepted) => {
      await run.intake.consume({ lane: item.lane, sequence: item.sequence });
      await sound(run, item, command, accepted);
    }),
};

/** Plants a defect. Returns that of the backend, if it is one, and the function that repairs the code. */
export function plant(defect: Defect): { readonly ofServer: ServerDefect | undefined; readonly repair: () => void } {
  const planting = plants[defect];
  if (planting === undefined) return { ofServer: defect as ServerDefect, repair: () => {} };
  return { ofServer: undefined, repair: planting() };
}
