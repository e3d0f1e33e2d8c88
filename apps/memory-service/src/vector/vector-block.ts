import { type Kernel, makeKernel } from "./kernel.ts";
import type { QuantizedVector } from "./quantize.ts";
import type { Best } from "./best.ts";

const PAGE_BYTES = 65_536;
/** Vectors scanned by one call of the kernel. */
const CHUNK = 2_048;

/**
 * Vectors of one owner and level in a memory of their own: the query, the products of a chunk, then the vectors without
 * gaps. A removed vector's place is taken by the last one, whose bytes are cleared.
 */
export class VectorBlock {
  readonly dims: number;
  readonly #kernel: Kernel;
  readonly #start: number;
  readonly #seqs: number[] = [];
  readonly #scales: number[] = [];
  readonly #places = new Map<number, number>();

  /** @param dims - bytes of each vector, a multiple of 16 */
  constructor(dims: number) {
    if (dims % 16 !== 0) throw new RangeError(`The dims of a block must be a multiple of 16: got ${dims}`);
    this.dims = dims;
    this.#start = dims + CHUNK * 4;
    this.#kernel = makeKernel(Math.ceil((this.#start + dims) / PAGE_BYTES));
  }

  /** Number of vectors. */
  get size(): number {
    return this.#seqs.length;
  }

  /** Bytes of its memory. */
  get bytes(): number {
    return this.#kernel.memory.buffer.byteLength;
  }

  /** Adds a vector, or replaces the one of the fragment. */
  put(seq: number, { scale, values }: QuantizedVector): void {
    const place = this.#places.get(seq) ?? this.size;
    this.#reserve(place + 1);
    this.#places.set(seq, place);
    this.#seqs[place] = seq;
    this.#scales[place] = scale;
    this.#bytesAt(place).set(values);
  }

  /** Returns a copy of the vector of a fragment, if it is here. */
  get(seq: number): QuantizedVector | undefined {
    const place = this.#places.get(seq);
    if (place === undefined) return undefined;
    return { scale: this.#scales[place] ?? 0, values: this.#bytesAt(place).slice() };
  }

  /** Removes the vector of a fragment, if it is here. */
  remove(seq: number): void {
    const place = this.#places.get(seq);
    if (place === undefined) return;
    const last = this.size - 1;
    const moved = this.#seqs[last];
    if (moved !== undefined && last !== place) {
      this.#bytesAt(place).set(this.#bytesAt(last));
      this.#seqs[place] = moved;
      this.#scales[place] = this.#scales[last] ?? 0;
      this.#places.set(moved, place);
    }
    this.#bytesAt(last).fill(0);
    this.#seqs.pop();
    this.#scales.pop();
    this.#places.delete(seq);
  }

  /** Offers the similarity of the query with each vector, of the allowed ones if a set is given. */
  scan({ scale, values }: QuantizedVector, best: Best, allowed?: ReadonlySet<number>): void {
    const { memory, scan } = this.#kernel;
    new Int8Array(memory.buffer, 0, this.dims).set(values.subarray(0, this.dims));
    const products = new Int32Array(memory.buffer, this.dims, CHUNK);
    for (let first = 0; first < this.size; first += CHUNK) {
      const count = Math.min(CHUNK, this.size - first);
      scan(0, this.#start + first * this.dims, count, this.dims, this.dims);
      for (let at = 0; at < count; at++) {
        const score = (products[at] ?? 0) * (this.#scales[first + at] ?? 0) * scale;
        const seq = this.#seqs[first + at] ?? 0;
        if (score > best.least && allowed?.has(seq) !== false) best.offer(seq, score);
      }
    }
  }

  #bytesAt(place: number): Int8Array {
    return new Int8Array(this.#kernel.memory.buffer, this.#start + place * this.dims, this.dims);
  }

  #reserve(count: number): void {
    const { memory } = this.#kernel;
    const have = memory.buffer.byteLength;
    const need = this.#start + count * this.dims;
    if (need <= have) return;
    // a quarter more at a time: few copies, little waste
    memory.grow(Math.ceil((Math.max(need, have * 1.25) - have) / PAGE_BYTES));
  }
}
