import { lookup as resolveHost, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";

/**
 * Only block from which IANA assigns public IPv6 addresses; `ipaddr.js` classifies every unlisted address as public.
 */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address is not public: it lies in a special-purpose range of the IANA registries (IPv4, IPv6), which
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
    // an invalid address may be one of this machine's own
    return true;
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address));
}

/** Normalises an address to its bytes, whatever its notation and zone. */
const canonical = (address: string): string => ipaddr.parse(address).toByteArray().join(".");

/**
 * Parses the target of a notification.
 *
 * @throws TypeError when it is no http or https url, has a password in it, or names a private address
 */
export function pushTarget(text: string, allowPrivate: boolean): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new TypeError(`Cannot send notifications to "${text}": expected an http or https URL`);
  if (url.username !== "" || url.password !== "")
    throw new TypeError("Cannot send notifications to the URL: it contains a user name or password; remove it");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!allowPrivate && isIP(host) !== 0 && isPrivateAddress(host))
    throw new TypeError(`Cannot send notifications to ${host}: the address is private`);
  return url;
}

/**
 * Resolves a host for one connection and rejects private addresses. The connection uses the very address that was
 * checked, which prevents DNS rebinding.
 */
export function publicLookup(
  resolve: typeof resolveHost = resolveHost,
  own: () => readonly string[] = ownAddresses,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const bad = addresses?.find(({ address }) => isPrivateAddress(address, own));
      if (error !== null) callback(error, "");
      else if (bad !== undefined)
        callback(new Error(`Cannot send notifications to "${hostname}": its address ${bad.address} is private`), "");
      else if (options.all === true) callback(null, addresses);
      else callback(null, addresses[0]?.address ?? "", addresses[0]?.family);
    });
  };
}
