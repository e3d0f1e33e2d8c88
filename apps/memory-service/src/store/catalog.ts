import type { Scope } from "../principal.ts";
import type { Viewer } from "./sight.ts";

/** A key by which a caller proves a principal. Its secret is kept as a digest alone. */
export interface ApiKey {
  readonly tenant: string;
  /** The user it stands for; absent for a key of the whole tenant, which names one with each request. */
  readonly user?: string | undefined;
  readonly scopes: readonly Scope[];
  /** Epoch milliseconds. @defaultValue never */
  readonly expiresAt?: number | undefined;
}

/** A measured embedding model. */
export interface ModelCard {
  readonly name: string;
  readonly dims: number;
  /** Weight of its ranks beside those of words, whose weight is 1. */
  readonly weight: number;
}

/** Rows across tenants. Nothing of a fragment is among them. */
export interface Catalog {
  /** Notes a tenant; returns `erased` for a name that was erased. */
  addTenant(tenant: string): Promise<"active" | "erased">;
  /** Returns the names of active tenants, in order. */
  tenants(): Promise<readonly string[]>;
  /** Keeps a key under the digest of its secret. */
  putKey(digest: string, key: ApiKey): Promise<void>;
  /** Returns the key with the digest, unless it has expired. */
  key(digest: string, now: number): Promise<ApiKey | undefined>;
  /** Removes a key; returns whether there was one. */
  removeKey(digest: string): Promise<boolean>;
  /** Keeps the card of a model. */
  putModel(card: ModelCard): Promise<void>;
  /** Returns the card of a model. */
  model(name: string): Promise<ModelCard | undefined>;
  /** Notes that an owner's tenant may have a grant for the grantee: a hint of where to ask. */
  noteShare(owner: string, grantee: Viewer): Promise<void>;
  /** Removes the hint. */
  dropShare(owner: string, grantee: Viewer): Promise<void>;
  /** Returns tenants that may have grants for the grantee, in order. */
  sharesFor(grantee: Viewer, limit: number): Promise<readonly string[]>;
}
