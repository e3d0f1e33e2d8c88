import { defineConfig } from "vitest/config";

const source = "@penguiflow/source";

export default defineConfig({
  // Tests run from TypeScript source: nothing has to be built first.
  resolve: { conditions: [source] },
  ssr: { resolve: { conditions: [source, "node", "module", "default"] } },
  test: {
    include: ["{test,apps/*/test,packages/*/test,examples/test,examples/*/test}/**/*.test.ts"],
    execArgv: [`--conditions=${source}`],
    // what a test waits for is told by its own clock: real time only ends one that hangs, also where a machine is slow
    testTimeout: 30_000,
    maxWorkers: "100%",
    coverage: {
      provider: "v8",
      include: ["{apps,packages}/*/src/**/*.ts"],
      // what a server is needed for
      exclude: [
        "apps/memory-service/src/postgres/*.ts",
        "packages/state-postgres/src/{database,migrations,postgres-state-store,prune}.ts",
        "packages/cluster-nats/src/{broker,nats-*,parts}.ts",
        "packages/cluster-nats/src/checkpoints/{nats-*,partition-log}.ts",
      ],
      reporter: ["text-summary", "json-summary"],
      reportOnFailure: true,
      thresholds: { lines: 90, branches: 85 },
    },
  },
});
