import { FlowError, FlowErrorCode } from "penguiflow";

/** A pause on a cluster, as its token says. */
export interface PausePlace {
  readonly version: string;
  /** Index of the partition. */
  readonly index: number;
  /** Id of the trace. */
  readonly id: string;
  /** Token that the flow has made. */
  readonly token: string;
}

/** Makes the token of a pause for clients: it leads to the trace. */
export function writePauseToken({ version, index, id, token }: PausePlace): string {
  return `${Buffer.from(JSON.stringify([version, index, id])).toString("base64url")}~${token}`;
}

/** Reads a token of {@link writePauseToken}. @throws FlowError `PAUSE_MALFORMED` */
export function readPauseToken(text: string, partitions: number): PausePlace {
  try {
    const [, place = "", token = ""] = /^([^~]+)~(.+)$/s.exec(text) ?? [];
    const [version, index, id] = JSON.parse(Buffer.from(place, "base64url").toString()) as readonly unknown[];
    const isKnown = typeof index === "number" && index >= 0 && index < partitions;
    if (isKnown && typeof version === "string" && typeof id === "string") return { version, index, id, token };
  } catch {
    // refused below
  }
  throw new FlowError({
    code: FlowErrorCode.PAUSE_MALFORMED,
    message: `Cannot answer the pause: expected a token that a cluster of ${partitions} partitions has given`,
  });
}
