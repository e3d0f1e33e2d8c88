import { mkdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { readText, reasonOf, UnreadableDocument } from "../src/read-text.ts";
import { makeFolder } from "./made-folder.ts";

const LIMIT = 1_000;

describe("readText", () => {
  test("gives the text without its byte order mark", async () => {
    await using folder = await makeFolder({ "a.md": "\uFEFF# Größe\n" });
    expect(await readText(folder.at("a.md"), LIMIT)).toBe("# Größe\n");
  });

  test.each([
    ["an empty file", "", "it is empty"],
    ["a file of blank lines", " \n\t\n", "it is empty"],
    ["a binary file", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1), "it is binary, not text (byte 4 is zero)"],
    ["a text in Latin-1", Uint8Array.of(0x47, 0x72, 0xf6, 0xdf, 0x65), "it is not UTF-8 text"],
    ["a file above the limit", "x".repeat(LIMIT + 1), "it is too large: 0.0 MB, the limit is 0.0 MB"],
  ])("refuses %s", async (_, content, reason) => {
    await using folder = await makeFolder({ "a.md": content });
    await expect(readText(folder.at("a.md"), LIMIT)).rejects.toEqual(new UnreadableDocument(reason));
  });

  test("refuses what is missing and what is no file", async () => {
    await using folder = await makeFolder();
    await mkdir(folder.at("folder.md"));
    await expect(readText(folder.at("a.md"), LIMIT)).rejects.toThrow("it is missing");
    await expect(readText(folder.at("folder.md"), LIMIT)).rejects.toThrow("it is not a regular file");
  });

  test("says in words why the file system refused", () => {
    expect(reasonOf(Object.assign(new Error("EACCES: …"), { code: "EACCES" }))).toBe("permission denied");
    expect(reasonOf(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }))).toBe("EIO: i/o error");
  });
});
