import { describe, expect, test } from "vitest";
import { keywords, tokenise } from "../src/tokenise.ts";

describe("tokenise", () => {
  test("gives forms of one word the same term", () => {
    expect(new Set(tokenise("Retry retries RETRYING retried"))).toEqual(new Set(["retri"]));
  });

  test("gives a name in camel case as a whole and in parts", () => {
    expect(tokenise("queueMaxSize")).toEqual(tokenise("queuemaxsize queue max size"));
    expect(tokenise("JSONText snake_case")).toEqual(tokenise("jsontext json text snake case"));
  });

  test("takes possessives, accents and full-width letters as they are meant", () => {
    expect(tokenise("flow's flow’s")).toEqual(["flow", "flow"]);
    expect(tokenise("Cafe\u0301 ＡＢＣ")).toEqual(["café", "abc"]);
  });

  test("cuts scripts that are written without spaces", () => {
    expect(tokenise("東京の天気").length).toBeGreaterThan(1);
  });
});

describe("keywords", () => {
  test("leaves the small words of a question away", () => {
    expect(keywords("What happens when an edge is full, and how full is the Edge?")).toEqual(["Edge", "full"]);
  });

  test("keeps small words when there is nothing else", () => {
    expect(keywords("How is it?")).toEqual(["How", "is", "it"]);
  });
});
