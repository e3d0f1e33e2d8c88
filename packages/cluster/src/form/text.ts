const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes data as JSON in UTF-8. */
export const toBytes = (data: unknown): Uint8Array => encoder.encode(JSON.stringify(data));

/** Decodes what {@link toBytes} has encoded. @throws SyntaxError */
export const fromBytes = <Data>(bytes: Uint8Array): Data => JSON.parse(decoder.decode(bytes)) as Data;
