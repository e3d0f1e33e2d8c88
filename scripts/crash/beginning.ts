import { writeSync } from "node:fs";
import { once } from "node:events";
import { flushCompileCache } from "node:module";
import { FlowError, type FlowErrorCode, type Logger } from "penguiflow";
import type { Go } from "./life.ts";
import type { CommonTold } from "./reports.ts";
import type { Store } from "./stores.ts";

/** Options of a process, given at its start. */
export interface LifeOptions<Defect> {
  readonly store: Store;
  /** File of what happens outside. */
  readonly effects: string;
  readonly seed: number;
  readonly defect: Defect | undefined;
}

/** A process that has begun. */
export interface Beginning<Told, Defect> extends LifeOptions<Defect>, Go {
  /** Writes a report synchronously, before anything else can happen in this process. */
  readonly tell: (told: Told | CommonTold) => void;
  /** Reports an error, unless it ends a wait as planned. */
  readonly problem: (error: unknown, where: string) => void;
  /** Reports errors of the flow. */
  readonly logger: Logger;
}

/** Codes that end a wait without a violation: the trace waits for an answer, or the process ends. */
const EXPECTED: ReadonlySet<FlowErrorCode> = new Set(["TRACE_PAUSED", "FLOW_STOPPED", "FLOW_NOT_RUNNING"]);

/** Prints "warm", and waits for the line with the number of this life. */
export async function beginning<Told, Defect>(): Promise<Beginning<Told, Defect>> {
  const options = JSON.parse(process.argv[2] ?? "") as LifeOptions<Defect>;
  const tell = (told: Told | CommonTold): void => void writeSync(1, `${JSON.stringify(told)}\n`);
  flushCompileCache();
  tell({ type: "warm" });
  const [line] = (await once(process.stdin, "data")) as [Buffer];
  const silent = (): void => {};
  return {
    ...options,
    ...(JSON.parse(line.toString()) as Go),
    tell,
    problem: (error, where) => {
      if (error instanceof FlowError && EXPECTED.has(error.code)) return;
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      tell({ type: "problem", what: `${where}: ${what}` });
    },
    logger: {
      debug: silent,
      info: silent,
      warn: silent,
      error: (message, fields) => tell({ type: "problem", what: `${message} ${JSON.stringify(fields)}` }),
    },
  };
}
