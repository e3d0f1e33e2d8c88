import { useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { plural } from "../../parts/figures.ts";
import { Icon } from "../../parts/icon.tsx";
import { KeyHint } from "../../parts/key-hint.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useKeys } from "../../routing/use-keys.tsx";
import type { EntryChange } from "../../protocol.ts";
import { flows, isReadOnly } from "../../store/project.ts";

/** The entry of a flow, and the ways to change it. */
export interface Entry {
  /** Number of messages that wait; `undefined` while it is open. */
  readonly held: number | undefined;
  readonly error: unknown;
  readonly turn: () => void;
  readonly letOneGo: () => void;
}

/** Follows the entry of a flow, with its keys. */
export function useEntry(flow: string): Entry {
  const error = useSignal<unknown>(undefined);
  const held = flows.value.find(({ name }) => name === flow)?.held;
  const change = async (wish: EntryChange): Promise<void> => {
    error.value = undefined;
    try {
      await api.changeEntry(flow, wish);
    } catch (cause) {
      error.value = cause;
    }
  };
  const turn = (): void => void change({ isHeld: held === undefined });
  const letOneGo = (): void => void change({ letGo: "oldest" });
  useKeys([
    { keys: "e", label: "Hold the entry, or open it", run: () => (isReadOnly.peek() ? false : turn()) },
    { keys: ".", label: "Let one held message go", run: () => (held === undefined || held === 0 ? false : letOneGo()) },
  ]);
  return { held, error: error.value, turn, letOneGo };
}

/** A strip while the entry is held: the number of messages that wait, and the ways to let them go. */
export function EntryStrip({ entry }: { readonly entry: Entry }) {
  const { held, error } = entry;
  return (
    <>
      <div class={held === undefined ? "sr-only" : "entry-strip"} role="status">
        {held === undefined ? null : (
          <>
            <Icon name="pause" />
            <p>
              <strong>The entry is held:</strong> {plural(held, "message")} {held === 1 ? "waits" : "wait"}.{" "}
              <span class="small">What the project sends itself goes on.</span>
            </p>
            <button type="button" class="button" disabled={held === 0} onClick={entry.letOneGo}>
              Let one go <KeyHint keys="." />
            </button>
            <button type="button" class="button primary" onClick={entry.turn}>
              Open the entry <KeyHint keys="e" />
            </button>
          </>
        )}
      </div>
      {error === undefined ? null : <Problem error={error} />}
    </>
  );
}
