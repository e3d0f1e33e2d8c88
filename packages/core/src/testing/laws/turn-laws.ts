import { ROOKERY } from "../../graph/endpoints.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { LawShape } from "./record-laws.ts";

/** The messages of one trace at one node. */
interface Line {
  readonly tenant: string;
  readonly waiting: Set<string>;
  /** Messages taken by a handler before the commit that sent them was recorded. */
  readonly foretold: Set<string>;
  atWork: number;
}

/** Turns per tenant since one of them began to wait without interruption. */
interface Contest {
  own: number;
  readonly others: Map<string, number>;
}

/** One node and its queued messages. */
class Desk {
  readonly #isOrdered: boolean;
  readonly lines = new Map<string, Line>();
  /** Contests by the waiting tenant. */
  readonly contests = new Map<string, Contest>();

  constructor(isOrdered: boolean) {
    this.#isOrdered = isOrdered;
  }

  lineOf(run: string, tenant: string): Line {
    const known = this.lines.get(run);
    if (known !== undefined) return known;
    const line: Line = { tenant, waiting: new Set(), foretold: new Set(), atWork: 0 };
    this.lines.set(run, line);
    return line;
  }

  /** Returns the tenants with a message that could be taken now; the others start anew when they return. */
  contenders(): Set<string> {
    const tenants = new Set<string>();
    for (const { tenant, waiting, atWork } of this.lines.values())
      if (waiting.size > 0 && (atWork === 0 || !this.#isOrdered)) tenants.add(tenant);
    for (const known of this.contests.keys()) if (!tenants.has(known)) this.contests.delete(known);
    return tenants;
  }
}

/**
 * Checks L6: a tenant with waiting messages gets its share of the node's turns. Reads the records of a flow in order
 * and returns one line per violation.
 */
export function brokenTurns(records: readonly TraceRecord[], shapeOf: (run: string) => LawShape): string[] {
  const broken: string[] = [];
  const desks = new Map<string, Desk>();
  for (const [index, record] of records.entries()) {
    const { run, tenant } = record;
    if (record.type === "spent") continue;
    if (record.type === "ended" || record.type === "unloaded") {
      for (const desk of desks.values()) if (desk.lines.delete(run)) desk.contenders();
      continue;
    }
    if (record.type === "signalled") continue;
    const shape = shapeOf(run);
    const deskOf = (node: string): Desk | undefined => {
      if (node === ROOKERY || shape.shareOf(node, tenant) === undefined) return undefined;
      const desk = desks.get(node) ?? new Desk(shape.isOrdered(node));
      desks.set(node, desk);
      return desk;
    };
    if (record.type === "emitted" || record.type === "committed")
      for (const { node, lineage } of record.outputs) {
        const line = deskOf(node)?.lineOf(run, tenant);
        if (line !== undefined && !line.foretold.delete(lineage)) line.waiting.add(lineage);
      }
    const { node, lineage } = record;
    const desk = deskOf(node);
    if (desk === undefined) continue;
    const line = desk.lineOf(run, tenant);
    switch (record.type) {
      case "accepted":
        line.waiting.add(lineage);
        break;
      case "resumed":
        if (record.why === "backoff") line.atWork -= 1;
        line.waiting.add(lineage);
        break;
      case "fetched":
        if (!line.waiting.delete(lineage)) line.foretold.add(lineage);
        break;
      case "dropped":
        line.waiting.delete(lineage);
        break;
      case "committed":
        line.atWork -= 1;
        break;
      case "started": {
        for (const contender of desk.contenders()) {
          const contest = desk.contests.get(contender) ?? { own: 0, others: new Map<string, number>() };
          desk.contests.set(contender, contest);
          if (contender === tenant) {
            contest.own += 1;
            continue;
          }
          const turns = (contest.others.get(tenant) ?? 0) + 1;
          contest.others.set(tenant, turns);
          const shares = { own: shape.shareOf(node, contender) ?? 1, other: shape.shareOf(node, tenant) ?? 1 };
          const lead = turns / shares.other - contest.own / shares.own;
          // tolerates one turn each, and the message taken before the contender arrived
          if (lead > 1 / shares.own + 2 / shares.other + 1e-9)
            broken.push(
              `L6 at record ${index}: tenant "${contender}" waits for "${node}" and had ${contest.own} turns while "${tenant}" had ${turns}`,
            );
        }
        line.waiting.delete(lineage);
        line.atWork += 1;
        break;
      }
      case "parked":
        // unlike in a backoff, other messages of its trace may continue
        if (record.why === "pause") line.atWork -= 1;
        break;
      case "answered":
      case "emitted":
      case "received":
      case "restored":
        break;
    }
    desk.contenders();
  }
  return broken;
}
