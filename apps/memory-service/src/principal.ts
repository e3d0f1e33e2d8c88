import { MemoryError } from "./memory-error.ts";

/** Rights of a principal. `admin` may erase the tenant. */
export const SCOPES = ["read", "write", "share", "admin"] as const satisfies readonly Scope[];

/** One right of a principal. */
export type Scope = "read" | "write" | "share" | "admin";

/** The proven identity for which a handle works: who asks, and with which rights. */
export interface Principal {
  /** 1 to 63 of `a`–`z`, `0`–`9` and `-`. */
  readonly tenant: string;
  /** 1 to 128 letters, digits, `_`, `.` and `-`. */
  readonly user: string;
  /** @defaultValue `["read", "write", "share"]` */
  readonly scopes?: readonly Scope[] | undefined;
}

/** A principal whose fields have been checked. */
export interface CheckedPrincipal extends Principal {
  readonly scopes: readonly Scope[];
}

/** Pattern of a tenant, which names a file. */
export const TENANT_PATTERN: RegExp = /^[a-z0-9-]{1,63}$/;
/** Pattern of users, conversations, idempotency keys and ids. */
export const NAME_PATTERN: RegExp = /^[A-Za-z0-9_.-]{1,128}$/;

const USUAL_SCOPES: readonly Scope[] = ["read", "write", "share"];

/**
 * Checks and freezes a principal.
 *
 * @throws TypeError that names the field, the wanted and the given value
 */
export function checkPrincipal(principal: Principal): CheckedPrincipal {
  if (typeof principal !== "object" || principal === null)
    throw new TypeError("A principal must be { tenant, user, scopes? }");
  const { tenant, user, scopes = USUAL_SCOPES } = principal;
  if (typeof tenant !== "string" || !TENANT_PATTERN.test(tenant))
    throw new TypeError(`The principal's tenant must match ${TENANT_PATTERN.source}: got ${JSON.stringify(tenant)}`);
  if (typeof user !== "string" || !NAME_PATTERN.test(user))
    throw new TypeError(`The principal's user must match ${NAME_PATTERN.source}: got ${JSON.stringify(user)}`);
  const unknown = scopes.filter((scope) => !SCOPES.includes(scope));
  if (unknown.length > 0)
    throw new TypeError(`The principal's scopes must be among ${SCOPES.join(", ")}: got ${JSON.stringify(unknown)}`);
  return Object.freeze({ tenant, user, scopes: Object.freeze([...scopes]) });
}

/** @throws MemoryError `FORBIDDEN` when the principal lacks the scope */
export function requireScope(principal: CheckedPrincipal, scope: Scope): void {
  if (!principal.scopes.includes(scope)) throw new MemoryError("FORBIDDEN", `The scope "${scope}" is needed`);
}
