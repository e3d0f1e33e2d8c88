import type { BackendFigures } from "penguiflow/adapter";
import type { Broker } from "./broker.ts";
import type { Streams } from "./names.ts";

const NANOSECONDS = 1_000_000;

/** Reads the figures of the streams. The sizes of partitions are known to their owners. */
export async function readFigures(broker: Broker, streams: Streams): Promise<BackendFigures> {
  const [intake, results, ...others] = await Promise.all(
    [streams.intake, streams.results, streams.checkpoints, streams.registry].map((stream) => broker.info(stream)),
  );
  const replicas = [intake!, results!, ...others].flatMap(({ cluster }) => cluster?.replicas ?? []);
  const behind = replicas.filter(({ current, offline }) => !current || offline);
  const connected = replicas.filter(({ offline }) => !offline);
  const { max_msgs: bound } = intake!.config;
  return {
    ...(bound > 0 ? { intakeFill: intake!.state.messages / bound } : {}),
    // parts of long results count as well
    keptResults: results!.state.messages,
    replicasBehind: new Set(behind.map(({ name }) => name)).size,
    // the server leaves a lag of 0 out; a replica that has everything was heard of a heartbeat ago
    replicaLagMs: Math.max(0, ...connected.map(({ lag, active }) => (lag > 0 ? active / NANOSECONDS : 0))),
  };
}
