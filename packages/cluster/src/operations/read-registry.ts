import type { Registry } from "penguiflow/adapter";
import { type MemberCard, membersPrefix } from "../form/registry-keys.ts";

/** Reads the values under a prefix, by the rest of their keys. */
export async function readAll<Value>(registry: Registry, prefix: string): Promise<ReadonlyMap<string, Value>> {
  const values = new Map<string, Value>();
  const watching = new AbortController();
  try {
    await registry.watch(
      prefix,
      (key, value) => {
        if (value === undefined) values.delete(key.slice(prefix.length));
        else values.set(key.slice(prefix.length), JSON.parse(value) as Value);
      },
      watching.signal,
    );
  } finally {
    watching.abort();
  }
  return values;
}

/** Reads the cards of all members, by name. */
export const readMembers = async (registry: Registry, app: string): Promise<ReadonlyMap<string, MemberCard>> =>
  await readAll<MemberCard>(registry, membersPrefix(app));
