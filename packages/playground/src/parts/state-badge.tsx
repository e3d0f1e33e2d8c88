import type { RunState } from "../protocol.ts";
import { Icon, type IconName } from "./icon.tsx";

/** Colour of a state; the tokens of the same name. */
export type Tone = "running" | "completed" | "retry" | "failed" | "paused" | "idle";

const SIGNS: Readonly<Record<Tone, IconName>> = {
  running: "half",
  completed: "check",
  retry: "again",
  failed: "cross",
  paused: "pause",
  idle: "barred",
};

const TONES: Readonly<Record<string, Tone>> = {
  running: "running",
  sending: "running",
  completed: "completed",
  done: "completed",
  retried: "retry",
  exhausted: "retry",
  failed: "failed",
  rejected: "failed",
  paused: "paused",
  sleeping: "paused",
  asked: "paused",
};

/** Returns the tone of a state of a run, a step or a tool call; of an unknown one `idle`. */
export function toneOf(state: RunState | (string & {})): Tone {
  return TONES[state] ?? "idle";
}

/** The sign of a state alone, for lists where the word stands beside it. */
export function StateSign({ tone, size = 14 }: { readonly tone: Tone; readonly size?: number }) {
  return (
    <span class={`sign tone-${tone}`}>
      <Icon name={SIGNS[tone]} size={size} />
    </span>
  );
}

/** A state as colour, sign and word. */
export function StateBadge({ state }: { readonly state: string }) {
  const tone = toneOf(state);
  return (
    <span class={`badge tone-${tone}`}>
      <Icon name={SIGNS[tone]} size={13} />
      {state}
    </span>
  );
}
