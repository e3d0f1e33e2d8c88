#!/usr/bin/env bash
# Expected: "Instantiations" of tsc --extendedDiagnostics says what a program's types cost, and is the same for the same
#   program however many checkers share the work.
# Really: each checker repeats part of the work and is counted as well. The figure grows with --checkers, and
#   several are the default.
# Versions: typescript 7.0.2
# Date: 2026-11-29
# Why it matters: a budget of instantiations means nothing with the default. Ours is counted with --singleThreaded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact typescript@7.0.2 > install.log
for i in 0 1 2 3 4 5 6 7; do
  cat > "f$i.ts" <<TS
type Deep<T> = T extends object ? { readonly [K in keyof T]: Deep<T[K]> } : T;
export type R$i = Deep<{ a: { b: { c: string[]; d: Map<string, Date> } }; e: Promise<number> }>;
export const v$i: R$i["a"]["b"]["c"] = ["x"];
export const p$i = Promise.all([Promise.resolve($i), Promise.resolve("x")]);
TS
done
count() {
  npx tsc --noEmit --extendedDiagnostics --target es2024 --lib es2024 --module nodenext "$@" f?.ts | sed -n 's/^Instantiations: *//p'
}
single=$(count --singleThreaded)
again=$(count --singleThreaded)
four=$(count --checkers 4)
eight=$(count --checkers 8)
echo "instantiations: $single and $again with --singleThreaded, $four with --checkers 4, $eight with --checkers 8"
[[ $single == "$again" && $four -gt $single && $eight -gt $four ]]
