import { symlink } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { ExitStatus } from "../src/exit-status.ts";
import { findDocuments } from "../src/find-documents.ts";
import { makeFolder } from "./made-folder.ts";

const never = new AbortController().signal;

async function namesIn(folder: string, maxFiles = 100): Promise<string[]> {
  return (await findDocuments(folder, maxFiles, never)).files.map((file) => file.name);
}

describe("findDocuments", () => {
  test("lists Markdown and text files of all folders in the order of their names", async () => {
    await using folder = await makeFolder({ "b.md": "b", "a.TXT": "a", "z/c.markdown": "c", "d/e/f.mdx": "f" });
    expect(await namesIn(folder.path)).toEqual(["a.TXT", "b.md", "d/e/f.mdx", "z/c.markdown"]);
  });

  test("leaves out other files, hidden folders and what tools put there", async () => {
    await using folder = await makeFolder({
      "a.md": "a",
      "code.ts": "",
      LICENSE: "",
      ".git/x.md": "",
      ".hidden.md": "",
      "node_modules/p/README.md": "",
      "deep/dist/x.md": "",
    });
    expect(await namesIn(folder.path)).toEqual(["a.md"]);
  });

  test("walks into a folder that is called like a document", async () => {
    await using folder = await makeFolder({ "x.md/inner.md": "x" });
    expect(await namesIn(folder.path)).toEqual(["x.md/inner.md"]);
  });

  test("comes to an end in a folder that links to itself and lists nothing twice", async () => {
    await using folder = await makeFolder({ "deep/a.md": "a" });
    await symlink(folder.path, folder.at("deep/loop"));
    await symlink("a.md", folder.at("deep/A-link.md"));
    expect(await namesIn(folder.path)).toEqual(["deep/a.md"]);
  });

  test("follows links to documents and folders elsewhere", async () => {
    await using elsewhere = await makeFolder({ "far/b.md": "b", "a.md": "a" });
    await using folder = await makeFolder();
    await symlink(elsewhere.at("far"), folder.at("near"));
    await symlink(elsewhere.at("a.md"), folder.at("a.md"));
    expect(await namesIn(folder.path)).toEqual(["a.md", "near/b.md"]);
  });

  test("reports links to nothing and links in a ring, and goes on", async () => {
    await using folder = await makeFolder({ "a.md": "a" });
    await symlink("nowhere.md", folder.at("dangling.md"));
    await symlink("ring.md", folder.at("ring.md"));
    const { files, skipped } = await findDocuments(folder.path, 100, never);
    expect(files.map((file) => file.name)).toEqual(["a.md"]);
    expect(skipped).toEqual([
      { name: "dangling.md", reason: "it is missing, or a link to something missing" },
      { name: "ring.md", reason: "it is a link that leads to itself" },
    ]);
  });

  test("stops at the limit and names the first file beyond it", async () => {
    await using folder = await makeFolder({ "a.md": "a", "b.md": "b", "c.md": "c", "d.md": "d" });
    const { files, skipped } = await findDocuments(folder.path, 2, never);
    expect(files.map((file) => file.name)).toEqual(["a.md", "b.md"]);
    expect(skipped).toEqual([{ name: "c.md", reason: "this and all further files are beyond the limit of 2" }]);
  });

  test.skipIf(process.platform === "win32")("shows names without control characters", async () => {
    await using folder = await makeFolder({ "a\u001B[31m.md": "a" });
    const { files } = await findDocuments(folder.path, 100, never);
    expect(files).toEqual([{ name: "a\uFFFD[31m.md", path: folder.at("a\u001B[31m.md") }]);
  });

  test("refuses a folder that is not there", async () => {
    await using folder = await makeFolder();
    await expect(findDocuments(folder.at("nope"), 100, never)).rejects.toMatchObject({
      status: ExitStatus.noInput,
      message: `Cannot read the folder "${folder.at("nope")}": there is no such folder`,
    });
  });

  test("refuses a file", async () => {
    await using folder = await makeFolder({ "a.md": "a" });
    await expect(findDocuments(folder.at("a.md"), 100, never)).rejects.toMatchObject({
      status: ExitStatus.noInput,
      message: expect.stringContaining("it is not a folder") as string,
    });
    await expect(findDocuments(path.join(folder.at("a.md"), "b"), 100, never)).rejects.toThrow(
      "there is no such folder",
    );
  });

  test("stops when it is told to", async () => {
    await using folder = await makeFolder({ "a.md": "a" });
    await expect(findDocuments(folder.path, 100, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });
});
