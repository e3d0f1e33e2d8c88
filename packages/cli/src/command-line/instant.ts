import { usage } from "./parse.ts";

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Returns epoch milliseconds of a date, or of a time ago such as `2h`. */
export function instantOf(option: string, text: string): number {
  const [, number = "", unit = ""] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const at = number === "" ? Date.parse(text) : Date.now() - Number(number) * UNITS[unit]!;
  if (Number.isNaN(at)) throw usage(`Option "${option}" takes a time such as 15m, 2h or 7d, or a date: got "${text}"`);
  return at;
}
