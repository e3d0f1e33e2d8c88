import { afterEach, describe, expect, test, vi } from "vitest";
import { configureLogging, create, defaultLogger, logFlowEvents, type LogLevel, payloadNode } from "penguiflow";
import { tidy } from "../fixtures/watched-flow.ts";

afterEach(() => {
  configureLogging();
  vi.restoreAllMocks();
});

/** Collects the lines of the default logger. */
function lines(options: Parameters<typeof configureLogging>[0] = {}): [LogLevel, string][] {
  const written: [LogLevel, string][] = [];
  configureLogging({ ...options, write: (line, level) => written.push([level, line]) });
  return written;
}

describe("configureLogging", () => {
  test("writes text by default: level, message, fields", () => {
    const written = lines();
    defaultLogger.info("started", { node: "search", size: 3, missing: undefined, tags: ["a"] });
    defaultLogger.warn("odd", { text: "two words", quote: 'a "b"' });
    expect(written).toEqual([
      ["info", 'INFO  started node=search size=3 tags=["a"]'],
      ["warn", 'WARN  odd text="two words" quote="a \\"b\\""'],
    ]);
  });

  test("leaves the stacks of errors to structured lines", () => {
    const error = { message: "no", stack: "Error: no\n    at here", cause: { message: "deeper", stack: "at there" } };
    const text = lines();
    defaultLogger.error("failed", { error });
    expect(text[0]![1]).toBe('ERROR failed error={"message":"no","cause":{"message":"deeper"}}');
    const structured = lines({ structured: true });
    defaultLogger.error("failed", { error });
    expect(JSON.parse(structured[0]![1])).toMatchObject({ error });
  });

  test("writes one JSON object per line when structured", () => {
    const written = lines({ structured: true });
    defaultLogger.error("failed", { node: "search", nested: { a: [1] } });
    expect(JSON.parse(written[0]![1])).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      level: "error",
      message: "failed",
      node: "search",
      nested: { a: [1] },
    });
  });

  test("does not let fields overwrite time, level and message of a structured line", () => {
    const written = lines({ structured: true });
    defaultLogger.info("real", { message: "forged", level: "debug", time: "never" });
    expect(JSON.parse(written[0]![1])).toMatchObject({ level: "info", message: "real" });
    expect((JSON.parse(written[0]![1]) as { time: string }).time).not.toBe("never");
  });

  test("leaves out what is below its level", () => {
    for (const [level, expected] of [
      ["debug", 4],
      ["info", 3],
      ["warn", 2],
      ["error", 1],
    ] as const) {
      const written = lines({ level });
      for (const name of ["debug", "info", "warn", "error"] as const) defaultLogger[name]("x");
      expect(written).toHaveLength(expected);
    }
  });

  test("writes warnings and errors to the error output of the console, the rest to the other", () => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    configureLogging({ level: "debug" });
    for (const name of ["debug", "info", "warn", "error"] as const) defaultLogger[name](name);
    expect(log.mock.calls).toHaveLength(2);
    expect(error.mock.calls).toHaveLength(2);
  });

  test("survives fields that cannot be written as JSON, and writes the line nevertheless", () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    for (const structured of [true, false]) {
      const written = lines({ structured });
      defaultLogger.info("circular", { circular });
      defaultLogger.info("bigint", { value: 10n, kept: "yes" });
      expect(written).toHaveLength(2);
      expect(written[0]![1]).toContain("circular");
      expect(written[1]![1]).toContain("bigint");
    }
  });

  test("keeps a line one line, whatever the fields hold", () => {
    for (const structured of [true, false]) {
      const written = lines({ structured });
      defaultLogger.info("x", { evil: "a\nERROR forged", also: "b\r\nc" });
      expect(written[0]![1]).not.toMatch(/[\r\n]/);
    }
  });

  test("goes back to its defaults when called without options", () => {
    const written = lines({ structured: true, level: "debug" });
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    configureLogging();
    defaultLogger.debug("not written");
    defaultLogger.info("text");
    expect(written).toEqual([]);
    expect(log.mock.calls).toEqual([["INFO  text"]]);
  });

  test("refuses a level or an option it does not know, naming it", () => {
    expect(() => configureLogging({ level: "loud" as never })).toThrow(/level.*debug, info, warn, error.*loud/);
    expect(() => configureLogging({ structred: true } as never)).toThrow(/structred/);
  });
});

test("logFlowEvents writes to the default logger when it is given none", async () => {
  const written = lines({ structured: true });
  const flow = tidy(
    create(payloadNode("echo", (value: number) => value).to(), { middlewares: [logFlowEvents()] }).run(),
  );
  await flow.call(1, { traceId: "t" });
  await flow.flush();
  expect(written.map(([, line]) => (JSON.parse(line) as { message: string }).message)).toEqual([
    "trace_start",
    "node_start",
    "node_success",
    "trace_end",
  ]);
});

test("trouble with observers is told to the default logger when the flow has none of its own", async () => {
  const written = lines();
  const flow = tidy(
    create(payloadNode("echo", (value: number) => value).to(), {
      middlewares: [
        () => {
          throw new Error("observer broke");
        },
      ],
    }).run(),
  );
  await flow.call(1);
  await flow.flush();
  expect(written).toHaveLength(4);
  expect(written[0]![1]).toMatch(/^WARN {2}middleware_failed .*observer broke/);
});
