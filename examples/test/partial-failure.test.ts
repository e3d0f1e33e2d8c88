import { expect, test } from "vitest";
import { main } from "../partial-failure/main.ts";
import { quietly } from "./quietly.ts";

test("answers with what was found, and says what failed and why", async () => {
  const report = await quietly(() => main("gentoo", "unicorn", "emperor", "adelie"));
  expect(report).toEqual({
    seen: { gentoo: 27, adelie: 4 },
    failed: { unicorn: "status 404", emperor: "status 503, 3 times" },
    // two for each known bird, one for the unknown one, three for the one that never answers
    requests: 8,
  });
});

test("answers when nothing was asked", async () => {
  expect(await quietly(() => main())).toEqual({ seen: {}, failed: {}, requests: 0 });
});
