// The scan of a block of vectors, assembled here: 16 products of signed bytes per instruction, exact sums in 32 bits.

/** The members of WebAssembly that are used; the compiler's libraries for Node declare none. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Memory: new (options: { initial: number }) => WasmMemory;
  readonly Instance: new (module: object, imports: { m: { m: WasmMemory } }) => { readonly exports: KernelExports };
}

/** Memory that a kernel scans. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  /** Adds pages of 64 KiB; buffers taken before are detached. */
  grow(pages: number): number;
}

interface KernelExports {
  /** Writes the dot product of the query with each of `count` vectors to `out`. Addresses in bytes. */
  readonly s: (query: number, vectors: number, count: number, dims: number, out: number) => void;
}

/** A memory, and the scan over it. */
export interface Kernel {
  readonly memory: WasmMemory;
  readonly scan: KernelExports["s"];
}

declare const WebAssembly: WebAssemblyApi;

const I32 = 0x7f;
const V128 = 0x7b;

/** Encodes an unsigned number (LEB128). */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

const sized = (bytes: readonly number[]): number[] => [...leb(bytes.length), ...bytes];
const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, ...leb(value)];
const simd = (code: number): number[] => [0xfd, ...leb(code)];
const add = [0x6a];

const [QUERY, VECTORS, COUNT, DIMS, OUT, AT, END, SUM, A, B] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

const LOAD = [...simd(0x00), 4, 0];
const EXTEND_LOW = simd(0x87);
const EXTEND_HIGH = simd(0x88);
const DOT = simd(0xba);
const ADD_LANES = simd(0xae);

const products = (extend: readonly number[]): number[] => [...get(A), ...extend, ...get(B), ...extend, ...DOT];
const lane = (index: number): number[] => [...get(SUM), ...simd(0x1b), index];

const COLUMN = [
  ...[...get(AT), ...LOAD, ...set(A)],
  ...[...get(VECTORS), ...LOAD, ...set(B)],
  ...[...get(SUM), ...products(EXTEND_LOW), ...ADD_LANES, ...products(EXTEND_HIGH), ...ADD_LANES, ...set(SUM)],
  ...[...get(VECTORS), ...constant(16), ...add, ...set(VECTORS)],
  // repeats while the query has more
  ...[...get(AT), ...constant(16), ...add, 0x22, AT, ...get(END), 0x49, 0x0d, 0],
];

const ROW = [
  ...[...simd(0x0c), ...Array.from({ length: 16 }, () => 0), ...set(SUM)],
  ...[...get(QUERY), 0x22, AT, ...get(DIMS), ...add, ...set(END)],
  ...[0x03, 0x40, ...COLUMN, 0x0b],
  ...[...get(OUT), ...lane(0), ...lane(1), ...add, ...lane(2), ...add, ...lane(3), ...add, 0x36, 2, 0],
  ...[...get(OUT), ...constant(4), ...add, ...set(OUT)],
  ...[...get(COUNT), ...constant(1), 0x6b, 0x22, COUNT, 0x0d, 0],
];

const BODY = [...leb(2), ...[2, I32], ...[3, V128], ...[0x03, 0x40, ...ROW, 0x0b], 0x0b];

/** The module's bytes. It must be called with at least one vector. */
const KERNEL_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]),
  ...section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, 1]),
  ...section(3, [1, 0]),
  ...section(7, [1, 1, 0x73, 0, 0]),
  ...section(10, [1, ...sized(BODY)]),
]);

let compiled: object | undefined;

/** Makes a memory of `pages` × 64 KiB and the scan over it. */
export function makeKernel(pages: number): Kernel {
  compiled ??= new WebAssembly.Module(KERNEL_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(compiled, { m: { m: memory } });
  return { memory, scan: exports.s };
}
