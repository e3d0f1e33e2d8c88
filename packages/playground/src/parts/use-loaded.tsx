import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { onGap } from "../store/project.ts";

/** State of a read from the server. */
export interface Loaded<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  /** Reads again; the present value stays until the new one is there. */
  readonly again: () => void;
}

/**
 * Reads from the server when a component is shown, when `key` changes, and after changes were missed. Of several
 * answers that overtake one another the latest request's counts.
 */
export function useLoaded<Value>(key: string, read: () => Promise<Value>): Loaded<Value> {
  const [state, setState] = useState<{ readonly key: string; readonly value?: Value; readonly error?: unknown }>({
    key,
  });
  const latest = useRef(0);
  const reader = useRef(read);
  reader.current = read;
  const again = useCallback(() => {
    const request = (latest.current += 1);
    reader.current().then(
      (value) => request === latest.current && setState({ key, value }),
      (error: unknown) =>
        request === latest.current &&
        setState((before) =>
          before.key === key && before.value !== undefined ? { ...before, error } : { key, error },
        ),
    );
  }, [key]);
  useEffect(() => {
    again();
    return onGap(again);
  }, [again]);
  const current = state.key === key ? state : { key };
  return {
    value: current.value,
    error: current.error,
    isLoading: current.value === undefined && current.error === undefined,
    again,
  };
}
