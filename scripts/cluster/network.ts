import { execFileSync } from "node:child_process";

/** Networks of workers, each in a namespace of its own and joined by a bridge to the servers. Linux alone, as root. */
export interface Network extends Disposable {
  /** Address of this machine in it: servers listen there. */
  readonly host: string;
  /** Arguments of `ip` before a program that runs in the namespace of a worker. */
  inside(index: number): readonly string[];
  /** Cuts a worker off from the bridge. */
  cut(index: number): void;
  /** Ends the cut. */
  join(index: number): void;
}

/** Creates the networks; returns the reason why it cannot. */
export function makeNetwork(workers: number): Network | { readonly missing: string } {
  const tag = `pf${process.pid % 100_000}`;
  // one of 256 networks that are set apart for tests (RFC 2544)
  const subnet = `198.18.${process.pid % 256}`;
  const spaces = Array.from({ length: workers }, (_, index) => `${tag}w${index}`);
  const dispose = (): void => {
    process.off("exit", dispose);
    for (const space of spaces) attempt("netns", "delete", space);
    attempt("link", "delete", tag);
  };
  try {
    ip("link", "add", tag, "type", "bridge");
    // a program that ends early leaves none behind
    process.once("exit", dispose);
    ip("address", "add", `${subnet}.1/24`, "dev", tag);
    ip("link", "set", tag, "up");
    for (const [index, space] of spaces.entries()) {
      ip("netns", "add", space);
      ip("link", "add", space, "type", "veth", "peer", "name", "eth0", "netns", space);
      ip("link", "set", space, "master", tag, "up");
      ip("-n", space, "address", "add", `${subnet}.${index + 2}/24`, "dev", "eth0");
      ip("-n", space, "link", "set", "eth0", "up");
      ip("-n", space, "link", "set", "lo", "up");
    }
  } catch (error) {
    dispose();
    return { missing: `network namespaces are not permitted: ${reasonOf(error)}` };
  }
  return {
    host: `${subnet}.1`,
    inside: (index) => ["netns", "exec", spaces[index]!],
    cut: (index) => ip("link", "set", spaces[index]!, "down"),
    join: (index) => ip("link", "set", spaces[index]!, "up"),
    [Symbol.dispose]: dispose,
  };
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}

function attempt(...args: readonly string[]): void {
  try {
    ip(...args);
  } catch {
    // it was not made, or is gone
  }
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { readonly stderr?: Buffer };
  return stderr === undefined || stderr.length === 0 ? message : stderr.toString("utf8").trim();
}
