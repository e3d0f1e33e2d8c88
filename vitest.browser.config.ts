// Stories of the pages in a real browser: scripts/e2e.ts finds it and runs them.
import config from "./vitest.config.ts";

export default {
  ...config,
  test: {
    ...config.test,
    include: ["{apps,packages}/*/test-browser/**/*.test.ts"],
    globalSetup: ["packages/playground/test-browser/build-pages.ts"],
    fileParallelism: false,
    // a page that hangs is ended after this; a slow machine only takes longer
    testTimeout: 90_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    // many stories that hang are one fault: the rest would take hours
    bail: 5,
  },
};
