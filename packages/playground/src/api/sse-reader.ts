/**
 * Reads server-sent events from an answer whose request is a POST: `EventSource` sends none.
 *
 * @returns the parsed data of each event, in order
 */
export async function* readEvents<Item>(body: ReadableStream<Uint8Array>): AsyncGenerator<Item> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = dataOf(block);
        if (data !== undefined) yield JSON.parse(data) as Item;
      }
    }
  } finally {
    await reader.cancel();
  }
}

function dataOf(block: string): string | undefined {
  const lines = block
    .split(/\r?\n/)
    .flatMap((line) => (line.startsWith("data:") ? [line.slice(5).replace(/^ /, "")] : []));
  return lines.length === 0 ? undefined : lines.join("\n");
}
