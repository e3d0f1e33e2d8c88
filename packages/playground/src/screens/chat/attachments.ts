import type { Attachment } from "../../protocol.ts";

/** Most bytes of all files of a message: a request has at most 1 MB, and base64 adds a third. */
const MOST_BYTES = 700_000;

/** Reads files for a message. `problem` says why some were left out; it is "" when none was. */
export async function readAttachments(
  files: readonly File[],
): Promise<{ readonly attachments: readonly Attachment[]; readonly problem: string }> {
  const attachments: Attachment[] = [];
  let size = 0;
  for (const file of files) {
    size += file.size;
    if (size > MOST_BYTES) {
      const problem = `Cannot attach "${file.name}": expected at most ${MOST_BYTES / 1000} kB in all, got ${Math.ceil(size / 1000)} kB`;
      return { attachments, problem };
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    attachments.push({
      name: file.name,
      mediaType: file.type === "" ? "application/octet-stream" : file.type,
      base64: base64Of(bytes),
    });
  }
  return { attachments, problem: "" };
}

function base64Of(bytes: Uint8Array): string {
  let text = "";
  // the call's arguments are bounded
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
