import { useEffect, useRef } from "preact/hooks";
import { bindKeys, type KeyBinding } from "./keys.ts";

/** Binds keys for as long as a component is shown; their functions are those of its latest rendering. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  const names = bindings.map((binding) => binding.keys).join(" | ");
  useEffect(
    () => bindKeys(latest.current.map((binding, index) => ({ ...binding, run: () => latest.current[index]?.run() }))),
    [names],
  );
}
