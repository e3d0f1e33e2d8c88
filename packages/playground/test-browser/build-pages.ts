// Builds the pages once for all stories.
import path from "node:path";
import type { TestProject } from "vitest/node";
import { buildPage } from "../../../scripts/build-page.ts";
import { scratchFolder } from "../../../scripts/workspace.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the built pages. */
    pages: string;
  }
}

/** Builds the pages and tells the stories where they are. */
export default async function setup(project: TestProject): Promise<void> {
  const folder = path.join(scratchFolder("stories"), "page");
  await buildPage(folder);
  project.provide("pages", folder);
}
