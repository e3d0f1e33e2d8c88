import type { Rows } from "../store/rows.ts";
import { saltedDigest } from "../text/digest.ts";

/** Returns the digest under which events name a conversation, so that the log holds none of its words. */
export async function conversationKey(rows: Rows, owner: string, conversation: string): Promise<string> {
  return saltedDigest((await rows.settings.get("salt")) ?? "", `conversation\0${owner}\0${conversation}`);
}
