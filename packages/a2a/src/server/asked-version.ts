import type { RequestHandler } from "express";

/** A version as it counts: without its patch. */
export function withoutPatch(version: string): string {
  return version.trim().replace(/^(\d+\.\d+)\.\d+$/, "$1");
}

/** Puts the version that a request asks for, in its header or its query, where the SDK looks for it: into the header. */
export const settleVersion: RequestHandler = ({ headers, query }, _response, next) => {
  const header = headers["a2a-version"] ?? "";
  const asked = header === "" ? query["A2A-Version"] : header;
  if (typeof asked === "string") headers["a2a-version"] = withoutPatch(asked);
  next();
};
