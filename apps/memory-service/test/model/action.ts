/** A user of a tenant. */
export interface Someone {
  readonly tenant: string;
  readonly user: string;
}

/** Level of sight. */
export type Level = "private" | "tenant" | "shared";

/** A request to keep a text with one telling word. */
export interface Keeping {
  readonly kind: "ingest";
  readonly by: Someone;
  readonly word: string;
  readonly level: Level;
  readonly conversation: string | undefined;
  readonly supersedes: string | undefined;
  readonly key: string;
}

/** A request that changes something. */
export type Action =
  | Keeping
  | { readonly kind: "level"; readonly by: Someone; readonly id: string; readonly level: Level }
  | {
      readonly kind: "share";
      readonly by: Someone;
      readonly id: string;
      readonly to: Someone;
      readonly expiresAt?: number;
    }
  | { readonly kind: "unshare"; readonly by: Someone; readonly id: string; readonly to: Someone }
  | { readonly kind: "erase"; readonly by: Someone; readonly id: string }
  | { readonly kind: "eraseUser"; readonly by: Someone }
  | { readonly kind: "supersede"; readonly by: Someone; readonly id: string; readonly newer: string }
  | {
      readonly kind: "reinforce";
      readonly by: Someone;
      readonly id: string;
      readonly value: number;
      readonly key: string;
    };

/** The answer of a request, as far as its door tells it. */
export interface Answer {
  /** `ok`, or the code of the error. */
  readonly code: string;
  readonly id?: string | undefined;
  readonly created?: boolean | undefined;
  /** Own fragments that say the same. */
  readonly same?: readonly string[] | undefined;
  readonly changed?: boolean | undefined;
  readonly erased?: number | undefined;
  readonly strength?: number | undefined;
}
