const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes data as JSON in UTF-8. */
export const toBytes = (data: unknown): Uint8Array => encoder.encode(JSON.stringify(data));

/** Decodes what {@link toBytes} has encoded. @throws SyntaxError */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- each caller knows what it has encoded
export const fromBytes = <Data>(bytes: Uint8Array): Data => JSON.parse(decoder.decode(bytes)) as Data;

/** Decodes a message of another program; `undefined` when it is none of ours. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the form of a message is known by where it came from
export function readMessage<Message>(bytes: Uint8Array): Message | undefined {
  try {
    return fromBytes<Message>(bytes);
  } catch {
    return undefined;
  }
}
