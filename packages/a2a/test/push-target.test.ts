import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import { isPrivateAddress, publicLookup, pushTarget } from "../src/server/push-target.ts";

// No test here opens a connection: addresses are literals, and the resolver is a stub.

const none = () => [];

/**
 * One address of each special-purpose block of the IANA registries, and of the adjacent blocks that are not unicast.
 */
const SPECIAL: readonly (readonly [block: string, address: string])[] = [
  ["this network", "0.0.0.0"],
  ["private use, /8", "10.1.2.3"],
  ["shared address space", "100.64.0.1"],
  ["loopback", "127.0.0.1"],
  ["link local", "169.254.1.1"],
  ["private use, /12", "172.31.0.1"],
  ["protocol assignments", "192.0.0.8"],
  ["documentation 1", "192.0.2.1"],
  ["AS112 v4", "192.31.196.1"],
  ["AMT", "192.52.193.1"],
  ["6to4 relay anycast", "192.88.99.1"],
  ["private use, /16", "192.168.0.1"],
  ["direct delegation AS112", "192.175.48.1"],
  ["benchmarking", "198.19.0.1"],
  ["documentation 2", "198.51.100.1"],
  ["documentation 3", "203.0.113.1"],
  ["multicast", "239.1.1.1"],
  ["reserved", "240.0.0.1"],
  ["broadcast", "255.255.255.255"],
  ["unspecified", "::"],
  ["loopback 6", "::1"],
  ["IPv4-compatible", "::8.8.8.8"],
  ["IPv4-mapped", "::ffff:8.8.8.8"],
  ["IPv4-translated", "::ffff:0:8.8.8.8"],
  ["IPv4-IPv6 translation", "64:ff9b::8.8.8.8"],
  ["IPv4-IPv6 translation, local", "64:ff9b:1::1"],
  ["discard only", "100::1"],
  ["dummy prefix", "100:0:0:1::1"],
  ["unassigned, low", "200::1"],
  ["Teredo", "2001::1"],
  ["port control anycast", "2001:1::1"],
  ["benchmarking 6", "2001:2::1"],
  ["AMT 6", "2001:3::1"],
  ["AS112 6", "2001:4:112::1"],
  ["ORCHID", "2001:10::1"],
  ["ORCHIDv2", "2001:20::1"],
  ["drone remote ids", "2001:30::1"],
  ["protocol assignments 6", "2001:1ff::1"],
  ["documentation 6", "2001:db8::1"],
  ["6to4", "2002:808:808::1"],
  ["direct delegation AS112 6", "2620:4f:8000::1"],
  ["documentation 6, /20", "3fff::1"],
  ["segment routing", "5f00::1"],
  ["unassigned, high", "a000::1"],
  ["unique local", "fd00::1"],
  ["link local 6", "fe80::1"],
  ["link local 6 with a zone", "fe80::1%1"],
  ["site local", "fec0::1"],
  ["multicast 6", "ff02::1"],
  ["no address at all", "penguin"],
];

describe("a push target is a public address", () => {
  test.each(SPECIAL)("%s is none: %s", (_, address) => expect(isPrivateAddress(address, none)).toBe(true));

  test.each(["8.8.8.8", "172.32.0.1", "192.0.1.1", "223.255.255.254", "2606:4700::1111", "2001:200::1", "3ffe::1"])(
    "%s is one",
    (address) => expect(isPrivateAddress(address, none)).toBe(false),
  );

  test("an address of the machine's own interfaces is none, however it is written", () => {
    const own = () => ["8.8.8.8", "2606:4700:0:0:0:0:0:1%2"];
    expect(isPrivateAddress("8.8.8.8", own)).toBe(true);
    expect(isPrivateAddress("2606:4700::1", own)).toBe(true);
    expect(isPrivateAddress("2606:4700::2", own)).toBe(false);
    const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    expect(found.length).toBeGreaterThan(0);
    for (const { address } of found) expect(isPrivateAddress(address)).toBe(true);
  });

  test("no address is one while those of the machine are not known", () => {
    const failing = (): never => {
      throw new Error("The interfaces cannot be listed");
    };
    expect(isPrivateAddress("8.8.8.8", failing)).toBe(true);
  });

  test.each(["http://192.0.2.1/", "http://[fec0::1]/", "http://[::808:808]/", "https://[64:ff9b:1::1]/"])(
    "%s is refused when it is named, and taken for tests",
    (url) => {
      expect(() => pushTarget(url, false)).toThrow("is private");
      expect(pushTarget(url, true).href).toBe(url);
    },
  );
});

describe("a host that is named is what its addresses are", () => {
  const look = (found: readonly object[], own: () => readonly string[] = none) =>
    new Promise<unknown[]>((resolve) => {
      const resolver = ((_: string, __: object, done: (error: null, all: readonly object[]) => void) =>
        done(null, found)) as unknown as Parameters<typeof publicLookup>[0];
      publicLookup(resolver, own)("example.com", {}, (...answer: unknown[]) => resolve(answer));
    });
  const open = { address: "93.184.216.34", family: 4 };

  test("one private address among several is enough, and the address looked at is the one called", async () => {
    expect((await look([open, { address: "10.0.0.1", family: 4 }]))[0]).toMatchObject({
      message: 'Cannot send notifications to "example.com": its address 10.0.0.1 is private',
    });
    expect(await look([open])).toEqual([null, "93.184.216.34", 4]);
  });

  test("a name that leads to the machine itself by a public address is refused", async () => {
    const [error] = await look([open], () => [open.address]);
    expect(String(error)).toContain("is private");
  });
});
