/** `POST /api/simulate` gives server-sent events of `SimulationItem`; `DELETE /api/simulate/:id` stops it (204). */
export interface NewSimulation {
  /** Relative to the project. @defaultValue the only `*.sim.ts` */
  readonly file?: string;
  readonly seeds?: number;
  readonly from?: number;
}

/** Item of the stream of a simulation. */
export type SimulationItem =
  | { readonly type: "start"; readonly id: string; readonly file: string; readonly seeds: number }
  | {
      readonly type: "seed";
      readonly seed: number;
      readonly isGood: boolean;
      readonly message?: string;
      /** Names of the faults that occurred. */
      readonly faults: readonly string[];
      /** The run it is opened as, of one that failed. */
      readonly run?: { readonly flow: string; readonly id: string };
    }
  /** `never` are the faults that occurred in no seed. */
  | { readonly type: "end"; readonly failed: number; readonly never: readonly string[]; readonly error?: string };

/** `GET /api/simulate`: the files that the project has, relative to it. */
export interface SimulationFiles {
  readonly files: readonly { readonly file: string; readonly name: string }[];
}
