import { core } from "../core.ts";
import { type Journals, on } from "../penguiflow-durable.ts";

/** Journals that serialise their batches and have no disk to write to. */
export const journals: Journals = {
  make: async () => ({
    address: "",
    note: "the end of the process loses all; batches are made as for a disk",
    waits: false,
    bytes: async () => 0,
    remove: async () => {},
  }),
  open: async () => ({ journal: new core.MemoryJournal(), [Symbol.asyncDispose]: async () => {} }),
};

export const durable = on(journals, "memory-journal");
