// Two generic conditional types are assignable only when their tested types are the same. The type is written out
// twice, because an alias would be compared by its argument, and `any` would pass.
type Equal<Left, Right> =
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  (<Any>() => Any extends Left ? 1 : 2) extends <Any>() => Any extends Right ? 1 : 2 ? true : false;

/** Compiles only when the two types are the same: `same<Awaited<typeof result>, string>()`. */
export function same<Left, Right>(
  ..._proof: Equal<Left, Right> extends true ? [] : [{ readonly "these types differ": [Left, Right] }]
): void {}
