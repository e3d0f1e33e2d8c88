// Numbers, instants and names as a person reads them.

const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const whole = new Intl.NumberFormat();

/** @param {number} at */
const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);

/**
 * "Today", "Yesterday", "Monday, 3 May" or "3 May 2025".
 *
 * @param {number} at
 */
export function dayWord(at) {
  const now = Date.now();
  if (midnight(at) === midnight(now)) return "Today";
  if (midnight(at) === midnight(midnight(now) - 1)) return "Yesterday";
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? day.format(at) : dayOfYear.format(at);
}

/** @param {number} at */
export const timeWord = (at) => time.format(at);

/** @param {number} at */
export const fullTime = (at) => full.format(at);

/** @param {number} value */
export const numberWord = (value) => whole.format(value);

/**
 * "1 memory", "3 memories".
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

/**
 * "450 ms", "12 s", "3 min", "5 h", "2 days".
 *
 * @param {number} ms
 */
export function spanWord(ms) {
  if (ms < 1) return "<1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
}
