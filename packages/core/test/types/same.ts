type Equal<Left, Right> =
  (<Any>() => Any extends Left ? 1 : 2) extends <Any>() => Any extends Right ? 1 : 2 ? true : false;

/** Compiles only when the two types are the same: `same<Awaited<typeof result>, string>()`. */
export function same<Left, Right>(
  ..._proof: Equal<Left, Right> extends true ? [] : [{ readonly "these types differ": [Left, Right] }]
): void {}
