import type { Vector } from "../embed/embedder.ts";

const LANES = 16;
const HEADER_BYTES = 4;

/** A vector of unit length as signed bytes: each times `scale` is the number. */
export interface QuantizedVector {
  readonly scale: number;
  readonly values: Int8Array;
}

/** Returns the number of bytes of a vector's values: a multiple of 16. */
export function paddedDims(dims: number): number {
  return Math.ceil(dims / LANES) * LANES;
}

/** Makes a vector unit length and rounds it to signed bytes, padded with zeros. */
export function quantize(vector: Vector): QuantizedVector {
  const values = new Int8Array(paddedDims(vector.length));
  let squares = 0;
  let largest = 0;
  for (const value of vector) {
    squares += value * value;
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) return { scale: 0, values };
  const length = Math.sqrt(squares);
  for (let at = 0; at < vector.length; at++) values[at] = Math.round(((vector[at] ?? 0) / largest) * 127);
  return { scale: largest / length / 127, values };
}

/** Returns the stored form: the scale as a little-endian 32-bit float, then the values. */
export function packVector({ scale, values }: QuantizedVector): Uint8Array {
  const packed = new Uint8Array(HEADER_BYTES + values.length);
  new DataView(packed.buffer).setFloat32(0, scale, true);
  packed.set(new Uint8Array(values.buffer, values.byteOffset, values.length), HEADER_BYTES);
  return packed;
}

/** Reads the stored form. */
export function unpackVector(packed: Uint8Array): QuantizedVector {
  const scale = new DataView(packed.buffer, packed.byteOffset, HEADER_BYTES).getFloat32(0, true);
  return {
    scale,
    values: new Int8Array(packed.buffer, packed.byteOffset + HEADER_BYTES, packed.length - HEADER_BYTES),
  };
}

/** Returns the cosine of two vectors, about. */
export function similarity(one: QuantizedVector, other: QuantizedVector): number {
  let sum = 0;
  const length = Math.min(one.values.length, other.values.length);
  for (let at = 0; at < length; at++) sum += (one.values[at] ?? 0) * (other.values[at] ?? 0);
  return sum * one.scale * other.scale;
}
