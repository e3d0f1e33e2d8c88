#!/usr/bin/env bash
# Expected: a net.BlockList with the subnet ::ffff:0:0/96 matches IPv6 addresses that carry an IPv4 address, and no address
#   that is asked for as "ipv4".
# Really: it matches every IPv4 address. Other IPv6 addresses are not matched.
# Versions: Node 24.21.0
# Date: 2026-11-29
# Why it matters: a list of refused push targets with this row refuses all of IPv4. Ours keeps IPv6 in a list of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
cat > finding.mjs <<'JS'
import { BlockList } from "node:net";

const list = new BlockList();
list.addSubnet("::ffff:0:0", 96, "ipv6");
const asked = [["192.0.2.1", "ipv4"], ["::ffff:192.0.2.1", "ipv6"], ["2001:db8::1", "ipv6"]];
const found = asked.map(([address, family]) => list.check(address, family));
for (const [index, [address]] of asked.entries()) console.log(address.padEnd(20), found[index]);
process.exitCode = found.join() === "true,true,false" ? 0 : 1;
JS
node finding.mjs
