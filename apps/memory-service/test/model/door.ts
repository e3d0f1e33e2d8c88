import type { Action, Answer, Someone } from "./action.ts";

/** Found fragments, and everything else that the answer mentions. */
export interface Finding {
  readonly ids: readonly string[];
  /** Candidates of an explanation, or similar texts. */
  readonly mentioned: readonly string[];
  /** Other tenants that a federated query has asked. */
  readonly tenants: readonly string[];
}

/** One way to the service. */
export interface Door extends AsyncDisposable {
  /** Whether answers arrive in the order in which they were given. */
  readonly isInOrder: boolean;
  act(action: Action): Promise<Answer>;
  list(by: Someone): Promise<string[]>;
  find(by: Someone, word: string): Promise<Finding>;
  findEverywhere(by: Someone, word: string): Promise<Finding>;
  /** Returns the fragment with its neighbours, or the code of the error. */
  get(by: Someone, id: string): Promise<string[] | string>;
  /** Returns the fragments that the log mentions. */
  events(by: Someone): Promise<string[]>;
}

/** The text of a fragment with a word. */
export const textOf = (word: string): string => `The word is ${word}.`;

/** Room for all that a history keeps. */
export const ALL = { limit: 50, maxTokens: 100_000 } as const;
