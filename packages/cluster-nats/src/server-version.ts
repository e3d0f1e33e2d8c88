/** Oldest server with batched direct get, times to live of messages, and correct expected sequences on replicas. */
const WANTED = [2, 11] as const;
/** Server below which the known defects of replicated streams are many. */
const BETTER = [2, 12] as const;

/**
 * Checks the version of a server. Returns a warning for one that is older than it should be.
 *
 * @throws Error when the server is too old
 */
export function requireVersion(version: string, at: string): string | undefined {
  if (isBelow(version, WANTED))
    throw new Error(
      `Cannot use the NATS server at ${at}: expected version ${WANTED.join(".")} or newer, got ${version}; upgrade nats-server`,
    );
  return isBelow(version, BETTER)
    ? `The NATS server at ${at} has version ${version}: ${BETTER.join(".")} or newer is advised for replicated streams`
    : undefined;
}

function isBelow(version: string, [major, minor]: readonly [number, number]): boolean {
  const [itsMajor = 0, itsMinor = 0] = version.split(".").map(Number);
  return itsMajor < major || (itsMajor === major && itsMinor < minor);
}
