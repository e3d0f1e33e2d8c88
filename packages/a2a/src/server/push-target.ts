import { lookup as resolveHost, type LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Addresses that are nobody's business from outside: this host, its networks, and what is no single host. */
const PRIVATE_4 = new BlockList();
// of its own: a list with IPv4 in IPv6 takes every IPv4 address for one of those
const PRIVATE_6 = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  PRIVATE_4.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [
  ["::", 127],
  ["::ffff:0:0", 96],
  ["64:ff9b::", 96],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  PRIVATE_6.addSubnet(network, prefix, "ipv6");

/** Whether an address is in a network that is not public. */
export function isPrivateAddress(address: string): boolean {
  return isIP(address) === 6 ? PRIVATE_6.check(address, "ipv6") : PRIVATE_4.check(address, "ipv4");
}

/**
 * Where a notification goes.
 *
 * @throws TypeError when it is no http or https url, has a password in it, or names a private address
 */
export function pushTarget(text: string, allowPrivate: boolean): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new TypeError(`"${text}" is no http or https url`);
  if (url.username !== "" || url.password !== "") throw new TypeError("The url must not have a password in it");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!allowPrivate && isIP(host) !== 0 && isPrivateAddress(host))
    throw new TypeError(`Address ${host} is private, and no target`);
  return url;
}

/** Finds a host's address, for one connection. A host with a private address has none: what was looked at is what is called. */
export function publicLookup(resolve: typeof resolveHost = resolveHost): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const bad = addresses?.find(({ address }) => isPrivateAddress(address));
      if (error !== null) callback(error, "");
      else if (bad !== undefined)
        callback(new Error(`Address ${bad.address} of "${hostname}" is private, and no target`), "");
      else if (options.all === true) callback(null, addresses);
      else callback(null, addresses[0]?.address ?? "", addresses[0]?.family);
    });
  };
}
