import type { Extent } from "./bars.ts";

/** The part of a run that the timeline shows. */
export type Window = Extent;

/** A line of the timeline's grid. */
export interface Tick {
  readonly at: number;
  /** Time since the start of the run. */
  readonly label: string;
}

/** Smallest part of a run that can be looked at, in milliseconds. */
const SMALLEST_MS = 0.5;

/** Returns the place of an instant as a part of the window's width; outside of it below 0 or above 1. */
export function placeOf(at: number, { from, to }: Window): number {
  return (at - from) / (to - from);
}

/** Zooms the window by a factor below or above 1 around an instant, within the run. */
export function zoomWindow(window: Window, factor: number, around: number, extent: Extent): Window {
  const span = Math.min(extent.to - extent.from, Math.max(SMALLEST_MS, (window.to - window.from) * factor));
  const from = around - (around - window.from) * (span / (window.to - window.from));
  return within({ from, to: from + span }, extent);
}

/** Moves the window by milliseconds, within the run. */
export function moveWindow({ from, to }: Window, byMs: number, extent: Extent): Window {
  return within({ from: from + byMs, to: to + byMs }, extent);
}

/** Whether the window shows less than the run. */
export function isZoomed(window: Window, extent: Extent): boolean {
  return window.from > extent.from || window.to < extent.to;
}

/** Returns round instants of the window, about `count` of them. */
export function ticksOf({ from, to }: Window, start: number, count = 5): Tick[] {
  const step = roundStep((to - from) / count);
  const first = Math.ceil((from - start) / step);
  const last = Math.floor((to - start) / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const since = (first + index) * step;
    return { at: start + since, label: formatMs(since, step) };
  });
}

/** Writes a span of time with about three digits: `<1 ms`, `41 ms`, `1.18 s`, `2 min 5 s`, `3 h 10 min`. */
export function formatMs(ms: number, step = 0): string {
  if (ms === 0) return "0";
  if (ms < 1 && step === 0) return "<1 ms";
  if (ms < 1_000) return `${step > 0 && step < 1 ? ms.toFixed(2) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${trimmed(ms / 1_000, step > 0 && step < 1_000 ? 2 : ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return joined(minutes, "min", Math.floor((ms % 60_000) / 1_000), "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, "h", minutes % 60, "min");
  return joined(Math.floor(hours / 24), "d", hours % 24, "h");
}

function joined(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

function roundStep(wanted: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1e-3)));
  const factor = [1, 2, 5, 10].find((each) => each * power >= wanted) ?? 10;
  return factor * power;
}

function within({ from, to }: Window, extent: Extent): Window {
  const span = Math.min(to - from, extent.to - extent.from);
  const start = Math.min(extent.to - span, Math.max(extent.from, from));
  return { from: start, to: start + span };
}
