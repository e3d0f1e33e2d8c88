import type { ChildProcess, Serializable } from "node:child_process";
import type { Channel } from "./message.ts";

/**
 * Makes a channel of the IPC connection between a process and its child: in the parent of the child, in the child of
 * `process`. The child must be forked with `serialization: "advanced"`. Messages to a process that has gone are dropped.
 */
export function ipcChannel(peer: ChildProcess | NodeJS.Process): Channel {
  return {
    send(message) {
      // an error is reported to the callback; without one, it would end the process
      if (peer.connected) peer.send?.(message as Serializable, undefined, undefined, () => {});
    },
    receive(take) {
      const emitter = peer as NodeJS.EventEmitter;
      emitter.on("message", take);
      return { [Symbol.dispose]: () => void emitter.off("message", take) };
    },
  };
}
