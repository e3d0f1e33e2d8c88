const thousands = new Intl.NumberFormat("en", { useGrouping: true });
const NARROW_SPACE = "\u202F";

/** Formats a span: `<1 ms`, `187 ms`, `1.79 s`, `2 min 5 s`. */
export function span(ms: number): string {
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Formats a whole number with its thousands apart: `1 204`. */
export function count(value: number): string {
  return thousands.format(Math.round(value)).replaceAll(",", NARROW_SPACE);
}

/** Formats tokens read and written: `1 204 → 96 tok`. */
export function tokens(used: { readonly in: number; readonly out: number }): string {
  return `${count(used.in)} → ${count(used.out)} tok`;
}

/** Formats a cost in dollars, to a digit that says something: `0.003 $`. */
export function cost(usd: number): string {
  const digits = usd === 0 || usd >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(usd)));
  return `${usd.toFixed(digits)} $`;
}

/** Formats an instant as the time of the day, with the date unless it is today. */
export function instant(at: number, now: number = Date.now()): string {
  const date = new Date(at);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const isToday = new Date(now).toDateString() === date.toDateString();
  return isToday ? time : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}

/** Formats how long ago an instant was: `now`, `40 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function ago(at: number, now: number = Date.now()): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** Shortens an id to its end, which is what tells ids apart. */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `…${id.slice(-8)}`;
}

/** Writes a number of things in words: `1 flow`, `2 flows`. */
export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}
