import type { Logger } from "penguiflow";

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Settings of the cluster, which all its programs share. */
export const SETTINGS = { name: "tested", partitions: 2, leaseMs: 1_000, logger };
