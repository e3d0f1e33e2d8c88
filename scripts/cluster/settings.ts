export const PARTITIONS = 6;
export const LEASE_MS = 1_000;
export const WORKERS = 3;
