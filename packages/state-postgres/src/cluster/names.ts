import { hash } from "node:crypto";

/** Hashes names to a key of 32 bytes, whatever their length and characters. */
export function hashed(...names: readonly string[]): Buffer {
  return hash("sha256", JSON.stringify(names), "buffer");
}

/** Returns the channel of a subject: names of channels have at most 63 bytes. */
export function channelOf(schema: string, subject: string): string {
  return `penguiflow_${hashed(schema, subject).toString("hex").slice(0, 40)}`;
}

/** Names that are kept at most. */
const MOST_KEPT = 4_096;

/** Keeps what a function returns for the names that it is called with again and again. */
export function kept<Value>(of: (name: string) => Value): (name: string) => Value {
  const values = new Map<string, Value>();
  return (name) => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const value = of(name);
    if (values.size >= MOST_KEPT) values.clear();
    values.set(name, value);
    return value;
  };
}
