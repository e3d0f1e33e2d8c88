import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../src/command-line.ts";
import { ExitStatus } from "../src/exit-status.ts";

describe("parseCommandLine", () => {
  test("takes every option", () => {
    expect(parseCommandLine(["--dir", "docs", "--question", "Why?", "--draw"])).toEqual({
      dir: "docs",
      question: "Why?",
      draw: true,
      planner: false,
      help: false,
    });
  });

  test("leaves folder and question open when they are not given", () => {
    expect(parseCommandLine([])).toEqual({
      dir: undefined,
      question: undefined,
      draw: false,
      planner: false,
      help: false,
    });
  });

  test.each([
    [["--serch", "x"], `Unknown option "--serch"`],
    [["docs"], `Unexpected argument "docs"`],
    [["--dir"], `Option "--dir <value>" argument missing`],
    [["--draw=yes"], `Option "--draw" does not take an argument`],
    [["--dir", " "], `Option "--dir" must name a folder: got ""`],
    [["--question", ""], `Option "--question" must hold at least one word: got ""`],
    [["--question", " ?! "], `Option "--question" must hold at least one word: got " ?! "`],
  ])("refuses %j and says what is wrong", (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(
      expect.objectContaining({ status: ExitStatus.wrongUse, message: expect.stringContaining(message) as string }),
    );
    expect(() => parseCommandLine(args)).toThrow("--help");
  });
});
