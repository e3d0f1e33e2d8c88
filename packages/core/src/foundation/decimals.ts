/**
 * Adds two numbers as decimals of 15 digits, counted from the first digit of the larger one, so that ten times 0.1 are 1.
 * Whole numbers are added exactly.
 */
export function addDecimals(a: number, b: number): number {
  const sum = a + b;
  return Number.isInteger(a) && Number.isInteger(b) ? sum : roundTo(sum, Math.max(Math.abs(a), Math.abs(b)));
}

/** Rounds a number to the last of 15 digits, counted from the first digit of `scale`. */
export function roundTo(value: number, scale: number): number {
  // no decimals to round, and the logarithm is dear
  if (Number.isInteger(value)) return value;
  let exponent = Math.floor(Math.log10(scale));
  // the logarithm of a number just below a power of ten is rounded up
  if (10 ** exponent > scale) exponent -= 1;
  const digits = 14 - exponent;
  return digits < 0 || digits > 100 ? value : Number(value.toFixed(digits));
}
