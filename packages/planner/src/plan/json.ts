/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A JSON Schema of draft 2020-12 or 7, as data. */
export type JsonSchema = Readonly<Record<string, unknown>>;
