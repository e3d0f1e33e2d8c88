import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { natsBackend, type NatsBackendOptions } from "@penguiflow/cluster-nats";
import { expect, test } from "vitest";
import { requireVersion } from "../src/server-version.ts";

/** A server that says who it is and answers pings. */
async function greeter(info: object) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(
      `INFO ${JSON.stringify({ server_id: "x", max_payload: 1_048_576, proto: 1, headers: true, ...info })}\r\n`,
    );
    socket.on("data", (data) => {
      if (data.includes("PING")) socket.write("PONG\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    servers: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => void server.close(),
  };
}

test("a server older than 2.11 is refused, with the version that is wanted and its own", async () => {
  using old = await greeter({ version: "2.9.10", jetstream: true });
  await expect(natsBackend({ servers: old.servers })).rejects.toThrow(
    `Cannot use the NATS server at ${old.servers}: expected version 2.11 or newer, got 2.9.10; upgrade nats-server`,
  );
});

test("a server without JetStream is refused", async () => {
  using plain = await greeter({ version: "2.15.1" });
  await expect(natsBackend({ servers: plain.servers })).rejects.toThrow("JetStream is not enabled on it");
});

test("a server that is not there is named, once patience is exhausted", async () => {
  await expect(natsBackend({ servers: ["127.0.0.1:1"], patienceMs: 400 })).rejects.toThrow(
    "Cannot connect to NATS at 127.0.0.1:1: connection refused",
  );
});

test("a version below 2.12 is warned about, a newer one is not", () => {
  expect(requireVersion("2.11.9", "there")).toContain("2.12 or newer is advised");
  for (const version of ["2.12.0", "2.15.1", "3.0.0", "2.12.0-RC.1"])
    expect(requireVersion(version, "there")).toBeUndefined();
  expect(() => requireVersion("1.99.0", "there")).toThrow("got 1.99.0");
});

test.for([
  [{ servers: [] }, 'Option "servers" must be an address or a list of them'],
  [{ servers: "a", name: "a.b" }, 'Option "name" must be 1 to 64 letters, digits, "-" and "_": got "a.b"'],
  [{ servers: "a", replicas: 0 }, 'Option "replicas"'],
  [{ servers: "a", maxItems: 0 }, 'Option "maxItems"'],
  [{ servers: "a", patienceMs: 1.5 }, 'Option "patienceMs"'],
  [{ servers: "a", tls: { file: "x" } }, "file"],
  [{ servers: "a", url: "x" }, "url"],
] as const)("options %o are refused", async ([options, message]) => {
  await expect(natsBackend(options as unknown as NatsBackendOptions)).rejects.toThrow(message);
});
