/** Options of the cluster of the sizing program. */
export const sizingOptions = { name: "sizing", partitions: 8, leaseMs: 30_000 };
