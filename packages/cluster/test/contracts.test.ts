import { MessageChannel, type MessagePort } from "node:worker_threads";
import { checkpointStoreContract, clusterBackendContract } from "penguiflow/testing";
import { describe, test } from "vitest";
import { type Channel, hostBackend, memoryBackend, remoteBackend } from "../src/index.ts";

function channelOf(port: MessagePort): Channel {
  return {
    send: (message) => port.postMessage(message, []),
    receive(take) {
      port.on("message", take);
      return { [Symbol.dispose]: () => port.off("message", take) };
    },
  };
}

/** A backend in memory, used over a channel. */
function overChannel() {
  const { port1, port2 } = new MessageChannel();
  const backend = memoryBackend();
  const hosting = hostBackend(backend, channelOf(port1));
  const remote = remoteBackend(channelOf(port2));
  return {
    ...remote,
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      hosting[Symbol.dispose]();
      port1.close();
      await backend[Symbol.asyncDispose]();
    },
  };
}

describe("the backend in memory", () => {
  for (const { name, run } of clusterBackendContract({ make: () => memoryBackend() })) test(name, run);
});

describe("a backend over a channel", () => {
  for (const { name, run } of clusterBackendContract({ make: overChannel })) test(name, run);
});

describe("checkpoints over a channel", () => {
  let made: ReturnType<typeof overChannel> | undefined;
  const contract = checkpointStoreContract({
    make: () => {
      made = overChannel();
      return made.checkpoints;
    },
    close: async () => await made?.[Symbol.asyncDispose](),
  });
  for (const { name, run } of contract) test(name, run);
});
