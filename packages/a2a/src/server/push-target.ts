import { lookup as resolveHost, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";

/** IANA assigns public IPv6 addresses from this block alone; `ipaddr.js` takes every unlisted address for a public one. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address is no public one: it stands in a special-purpose range of the IANA registries (IPv4, IPv6), which
 * `ipaddr.js` knows, or belongs to an interface of this machine.
 *
 * @param own - the addresses of this machine; @defaultValue those of its interfaces now
 */
export function isPrivateAddress(address: string, own: () => readonly string[] = ownAddresses): boolean {
  if (!ipaddr.isValid(address)) return true;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== "unicast") return true;
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST)) return true;
  try {
    return own().some((candidate) => canonical(candidate) === canonical(address));
  } catch {
    // it may be one of its own
    return true;
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address));
}

/** The bytes of an address, whatever its notation and zone. */
const canonical = (address: string): string => ipaddr.parse(address).toByteArray().join(".");

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
export function publicLookup(
  resolve: typeof resolveHost = resolveHost,
  own: () => readonly string[] = ownAddresses,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const bad = addresses?.find(({ address }) => isPrivateAddress(address, own));
      if (error !== null) callback(error, "");
      else if (bad !== undefined)
        callback(new Error(`Address ${bad.address} of "${hostname}" is private, and no target`), "");
      else if (options.all === true) callback(null, addresses);
      else callback(null, addresses[0]?.address ?? "", addresses[0]?.family);
    });
  };
}
