/**
 * Types of principals, by a name of their program or library. Programs and libraries add theirs by declaration merging.
 *
 * @example
 * ```ts
 * declare module "penguiflow" {
 *   interface Principals {
 *     shop: { readonly user: string; readonly scopes: readonly string[] };
 *   }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface Principals {}

/**
 * The person or program that a trace acts for, within its tenant: one of {@link Principals}, or any object where none is
 * declared. JSON data. The runtime carries it and never judges by it.
 */
export type Principal = [keyof Principals] extends [never]
  ? Readonly<Record<string, unknown>>
  : Principals[keyof Principals];
