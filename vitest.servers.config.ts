// Tests that need a server: scripts/test-servers.ts finds it and runs them.
import config from "./vitest.config.ts";

export default {
  ...config,
  test: { ...config.test, include: ["{apps,packages}/*/test-integration/**/*.test.ts"], fileParallelism: false },
};
