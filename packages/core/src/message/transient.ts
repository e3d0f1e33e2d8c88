/**
 * A value that stays in memory: a part of a payload, of meta or of a result that no file may have. Checkpoints store that
 * there was one, and JSON leaves it out; so do the bus, logs and remote calls. The runtime never reads it.
 */
export class Transient<out Value = unknown> {
  readonly #value: Value | undefined;

  /** @param value - left out for one whose value is lost */
  constructor(value?: Value) {
    this.#value = value;
    Object.freeze(this);
  }

  /**
   * The value; `undefined` once it is lost: in a durable flow after a restart, after a retry of a failed trace, and when
   * the trace has waited out of memory; in another thread or process always.
   */
  get value(): Value | undefined {
    return this.#value;
  }

  /** Leaves the property out of JSON. */
  toJSON(): undefined {
    return undefined;
  }

  /** Returns `[transient]`: the value is in no text. */
  toString(): string {
    return "[transient]";
  }
}

/**
 * Keeps a value out of everything that is stored, published or logged, for as long as it travels through a flow.
 *
 * @example
 * ```ts
 * await flow.call({ id: "f1", text: transient("a private text") });
 * const text = payload.text.value ?? (await ctx.resources.texts.load(payload.id));
 * ```
 */
export function transient<Value>(value: Value): Transient<Value> {
  return new Transient(value);
}
