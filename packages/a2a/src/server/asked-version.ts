import type { RequestHandler } from "express";

/** Removes the patch number, which does not affect compatibility. */
export function withoutPatch(version: string): string {
  return version.trim().replace(/^(\d+\.\d+)\.\d+$/, "$1");
}

/** Moves the version of a request from its query to the header, where the SDK reads it. */
export const settleVersion: RequestHandler = ({ headers, query }, _response, next) => {
  const header = headers["a2a-version"] ?? "";
  const asked = header === "" ? query["A2A-Version"] : header;
  if (typeof asked === "string") headers["a2a-version"] = withoutPatch(asked);
  next();
};
