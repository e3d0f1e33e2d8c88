import { fnv1a } from "penguiflow/adapter";

/** One version of a flow, and the number of partitions of its cluster. */
export interface Deployment {
  readonly app: string;
  readonly flow: string;
  readonly version: string;
  readonly partitions: number;
  readonly lanes: number;
}

/** Lane of commands: cancels, answers, retries. */
export const COMMAND_LANE = 0;

/** Returns the name of a partition, which names its checkpoints, its intake and its results. */
export function partitionName({ app, flow, version }: Deployment, index: number): string {
  return `${app}/${flow}@${version}/${index}`;
}

/** Returns the flow and version of a partition, `orders@1`: names of clusters have no slash, names of flows may. */
export function groupOf(partition: string): string {
  return partition.slice(partition.indexOf("/") + 1, partition.lastIndexOf("/"));
}

/** Returns the index of a partition. */
export function indexOf(partition: string): number {
  return Number(partition.slice(partition.lastIndexOf("/") + 1));
}

/** Names all partitions of a deployment, in order. */
export function partitionNames(deployment: Deployment): readonly string[] {
  return Array.from({ length: deployment.partitions }, (_, index) => partitionName(deployment, index));
}

/** Returns the partition of a trace: all callers of an id agree on it. */
export function partitionOf(deployment: Deployment, tenant: string, id: string): string {
  return partitionName(deployment, spread(`${tenant}\u0000${id}`) % deployment.partitions);
}

/** Returns the lane of a tenant, from 1: a flood of one tenant delays only those of its lane. */
export function laneOf({ lanes }: Deployment, tenant: string): number {
  return 1 + (spread(tenant) % lanes);
}

/** Hashes a text to an unsigned number whose low bits are well mixed (the finaliser of MurmurHash3 on FNV-1a). */
export function spread(text: string): number {
  let mixed = fnv1a(text);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
