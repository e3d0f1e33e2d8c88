import { FlowError } from "../foundation/flow-error.ts";
import { Message } from "../message/message.ts";
import { EMPTY_META } from "../message/meta.ts";
import type { CheckValue } from "../engine/policies/validation.ts";
import { unfitness } from "./form/codec.ts";

/** Checks that values can be stored. */
export class ValueChecks {
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Makes the check of a node's output: `check`, then that of the checkpoint store. */
  checked(node: string, check: CheckValue | undefined): CheckValue {
    const fit = (value: unknown): unknown => {
      if (value instanceof Message) this.requireFitMessage(value, node);
      else this.requireFit(value, "payload", node);
      return value;
    };
    if (check === undefined) return fit;
    return (value) => {
      const checked = check(value);
      return checked instanceof Promise ? checked.then(fit) : fit(checked);
    };
  }

  /**
   * Checks that a value can be stored.
   *
   * @throws FlowError `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE`
   */
  requireFit(value: unknown, what: string, node?: string): void {
    const unfit = unfitness(value, what, this.#maxBytes);
    if (unfit === undefined) return;
    const { code, path, problem } = unfit;
    const where = node === undefined ? "" : ` at node "${node}"`;
    const hint =
      code === "PAYLOAD_TOO_LARGE" ? "; keep it elsewhere and send a reference, or raise maxPayloadBytes" : "";
    throw new FlowError({
      code,
      message: `Cannot store the value sent${where}: ${path} is ${problem}${hint}`,
      node,
      details: { path },
    });
  }

  /** Checks that a message can be stored. */
  requireFitMessage({ payload, meta }: Message, node?: string): void {
    this.requireFit(payload, "payload", node);
    if (meta !== EMPTY_META) this.requireFit(meta, "meta", node);
  }
}
