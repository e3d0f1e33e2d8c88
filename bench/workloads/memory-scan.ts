import { type Closable, type Timing, vectorSubjects, type Workload } from "../contract.ts";
import { processorTime } from "../drive.ts";
import { seededRandom } from "../../packages/core/src/foundation/random.ts";

export interface ScanSetup {
  readonly vectors: number;
  readonly dims: number;
  /** Returns a vector of unit length, the same for the same place. */
  readonly vectorAt: (place: number) => Float32Array;
}

/** Vectors in the form in which a subject scans them. */
export interface ScanRig extends Closable {
  /** Returns the places of the ten nearest vectors, the nearest first. */
  nearest(query: Float32Array): readonly number[];
}

const VECTORS = 100_000;
const DIMS = 384;

function vectorAt(place: number): Float32Array {
  const random = seededRandom(place + 1);
  const vector = Float32Array.from({ length: DIMS }, () => random() - 0.5);
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** Scans until the time is used up; each query is near to one vector, which must come first. */
function scans(rig: ScanRig, wantedMs: number): { readonly count: number; readonly us: number } {
  const us = processorTime();
  for (let count = 1; ; count += 1) {
    const place = (count * 7_919) % VECTORS;
    const query = vectorAt(place).map((value, at) => value + (at % 7 === 0 ? 0.01 : 0));
    const [first] = rig.nearest(query);
    if (first !== place) throw new Error(`Wrong answer: expected vector ${place} first, got ${first}`);
    if (us() >= wantedMs * 1_000) return { count, us: us() };
  }
}

export const workloads: readonly Workload<ScanSetup, ScanRig>[] = [
  {
    name: "memory-scan-100000",
    family: "memoryScan",
    title: "the ten nearest of 100,000 vectors of 384 numbers, exactly",
    figures: [{ name: "CPU µs", better: "less" }],
    setup: { vectors: VECTORS, dims: DIMS, vectorAt },
    subjects: vectorSubjects,
    bars: [
      { of: "memory-service", atLeast: 10, than: ["sqlite-vec"] },
      { of: "memory-service", atLeast: 6, than: ["javascript"] },
    ],
    async measure(rig, { warmUpMs, measureMs }: Timing) {
      scans(rig, warmUpMs);
      const { count, us } = scans(rig, measureMs);
      return { figures: { "CPU µs": us / count }, requests: count, processorShare: 1, processorUs: us / count };
    },
  },
];
