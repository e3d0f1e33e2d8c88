import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { runExample } from "../../test/run-example.ts";
import { ConfigError, readConfig } from "../config.ts";
import { readLibrary } from "../library.ts";

const DOCS = path.resolve(import.meta.dirname, "../../../docs");
const ACME = { name: "acme", token: "a-token-of-acme-0001", documents: "docs" };

function problemsOf(environment: Readonly<Record<string, string>>): string {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("the environment", () => {
  test("may leave out everything but the tenants", () => {
    expect(readConfig({ TENANTS: JSON.stringify([ACME]) })).toMatchObject({
      PORT: 8080,
      TENANTS: [ACME],
      LOG_LEVEL: "info",
    });
  });

  test("is told everything that is wrong with it, and no token", () => {
    const text = problemsOf({
      PORT: "eighty",
      DRAIN_MS: "-1",
      LOG_LEVEL: "loud",
      TENANTS: `[{"name":"A B","token":"s3cret"}]`,
    });
    expect(text).toContain(`PORT: must be a whole number from 0 to 65535: got "eighty"`);
    expect(text).toContain(`DRAIN_MS: must be a whole number from 0 to 3600000: got "-1"`);
    expect(text).toContain("LOG_LEVEL: ");
    for (const place of [
      "TENANTS.0.name: ",
      "TENANTS.0.token: must have at least 16 characters",
      "TENANTS.0.documents: ",
    ])
      expect(text).toContain(place);
    expect(text).not.toContain("s3cret");
  });

  test.for([
    [`{"name":`, "TENANTS: must be JSON"],
    ["[]", "TENANTS: must name at least one tenant"],
    [JSON.stringify([ACME, { ...ACME, name: "zeta" }]), "TENANTS: must have neither a name nor a token twice"],
  ])("must name tenants that can be told apart: %s", ([tenants = "", problem]) => {
    expect(problemsOf({ TENANTS: tenants })).toContain(problem);
  });

  test("that is wrong ends the command with its problems and 1", async () => {
    const { status, stdout, stderr } = await runExample("service");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^Cannot start: the environment is invalid\n {2}TENANTS: must be JSON such as .*\n$/);
  });
});

test("a service that cannot start says why in a line of its log, and ends with 1", async () => {
  const tenants = JSON.stringify([{ ...ACME, documents: "nowhere" }]);
  vi.stubEnv("TENANTS", tenants).stubEnv("PORT", "0").stubEnv("ADMIN_PORT", "0");
  const { status, stdout, stderr } = await runExample("service").finally(() => vi.unstubAllEnvs());
  expect([status, stdout]).toEqual([1, ""]);
  expect(JSON.parse(stderr)).toMatchObject({
    level: "error",
    error: { message: expect.stringContaining('Cannot answer from "nowhere"') as string },
  });
});

describe("a library", () => {
  test("finds the passage about a question, and says where it stands", async () => {
    const library = await readLibrary(DOCS);
    const [best] = await library.search("When is a handler a zombie?", 3, new AbortController().signal);
    expect(best?.file).toBe(path.join("guides", "retries-and-cancellation.md"));
    expect(best?.text).toMatch(/zombie/);
    expect(await library.search("xylophone", 3, new AbortController().signal)).toEqual([]);
  });

  test("without a document cannot be made", async () => {
    await expect(readLibrary(path.join(DOCS, "nowhere"))).rejects.toThrow(/there is no Markdown file/);
  });
});
