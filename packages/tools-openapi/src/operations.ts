import {
  type ApiDocument,
  follow,
  type Method,
  METHODS,
  type Operation,
  type Parameter,
  type PathItem,
} from "./document.ts";

/**
 * Names operations of a document: an operation id (`"listPets"`), method and path (`"GET /pets"`), a method (`"DELETE"`)
 * or a tag (`"tag:pets"`).
 */
export type OperationSelector = string;

/** An operation with what its path item and document say about it. */
export interface FoundOperation {
  /** Method and path, such as `GET /pets/{id}`. */
  readonly place: string;
  readonly method: Method;
  readonly path: string;
  readonly operation: Operation;
  /** Parameters of the operation, and those of its path that it does not replace. */
  readonly parameters: readonly Parameter[];
  readonly item: PathItem;
}

/** Lists the operations of a document in its order. */
export function listOperations(document: ApiDocument): FoundOperation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, given]) => {
    const item = follow(document, given);
    return METHODS.flatMap((method): FoundOperation[] => {
      const operation = item[method];
      if (operation === undefined) return [];
      const parameters = new Map<string, Parameter>();
      for (const part of [...(item.parameters ?? []), ...(operation.parameters ?? [])]) {
        const parameter = follow(document, part);
        parameters.set(`${parameter.in} ${parameter.name}`, parameter);
      }
      const place = `${method.toUpperCase()} ${path}`;
      return [{ place, method, path, operation, parameters: [...parameters.values()], item }];
    });
  });
}

/** Whether a selector names an operation. */
export function isSelected({ place, method, operation }: FoundOperation, selector: OperationSelector): boolean {
  if (selector === operation.operationId || selector === place || selector === method.toUpperCase()) return true;
  return selector.startsWith("tag:") && (operation.tags ?? []).includes(selector.slice("tag:".length));
}

/**
 * Gives each operation the name of its tool: its operation id, or else method and path, in the characters that models
 * accept.
 *
 * @param longest - characters of a name
 */
export function nameOperations(operations: readonly FoundOperation[], longest: number): Map<FoundOperation, string> {
  const names = new Map<FoundOperation, string>();
  const taken = new Set<string>();
  for (const found of operations) {
    const wanted = (found.operation.operationId ?? found.place).replace(/[^\w-]+/g, "_").replace(/^_+|_+$/g, "");
    let name = wanted.slice(0, longest);
    for (let number = 2; taken.has(name); number++) {
      const suffix = `_${number}`;
      name = wanted.slice(0, longest - suffix.length) + suffix;
    }
    taken.add(name);
    names.set(found, name);
  }
  return names;
}
