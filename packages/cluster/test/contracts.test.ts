import { MessageChannel, type MessagePort } from "node:worker_threads";
import { checkpointStoreContract, clusterBackendContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
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

const checkpointsOverChannel = (): ReturnType<typeof checkpointStoreContract> => {
  let made: ReturnType<typeof overChannel> | undefined;
  return checkpointStoreContract({
    make: () => {
      made = overChannel();
      return made.checkpoints;
    },
    close: async () => await made?.[Symbol.asyncDispose](),
  });
};

describe.for([
  ["the backend in memory", clusterBackendContract({ make: () => memoryBackend() })],
  ["a backend over a channel", clusterBackendContract({ make: overChannel })],
  ["checkpoints over a channel", checkpointsOverChannel()],
] as const)("%s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
