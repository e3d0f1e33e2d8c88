import { isSchema, type Schema } from "../foundation/schema.ts";

/** Schemas of a node. */
export interface RegisteredModels {
  readonly input: Schema<unknown, unknown>;
  readonly output: Schema<unknown, unknown>;
}

/**
 * Schemas by node name, for code that keeps them apart from the nodes. Schemas on a node itself win. Any Standard
 * Schema is accepted.
 */
export class ModelRegistry {
  readonly #models = new Map<string, RegisteredModels>();

  /**
   * Registers the input and output schemas of a node.
   *
   * @throws TypeError when the name is already registered or a model is not a Standard Schema
   */
  register(name: string, input: Schema<unknown, unknown>, output: Schema<unknown, unknown>): this {
    if (this.#models.has(name)) throw new TypeError(`Cannot register node "${name}" twice`);
    for (const [side, model] of [
      ["input", input],
      ["output", output],
    ] as const) {
      if (!isSchema(model))
        throw new TypeError(`Cannot register node "${name}": its ${side} model is not a Standard Schema`);
    }
    this.#models.set(name, { input, output });
    return this;
  }

  /** Returns the schemas registered for a node. */
  get(name: string): RegisteredModels | undefined {
    return this.#models.get(name);
  }

  /** Returns the registered names. */
  names(): readonly string[] {
    return [...this.#models.keys()];
  }
}
