import { mkdtempSync, rmSync, statfsSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Durability, SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import type { CheckpointStores } from "./penguiflow-durable.ts";

const fileSystems: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x2fc12fc1: "zfs",
  0x794c7630: "overlayfs",
  0x01021994: "tmpfs",
  0x6969: "nfs",
};

/** Returns the file system of a folder. */
function fileSystemOf(folder: string): string {
  if (process.platform !== "linux") return `in a file on ${process.platform}`;
  const { type } = statfsSync(folder);
  const name = fileSystems[type] ?? `file system 0x${type.toString(16)}`;
  return name === "tmpfs" ? "in a file on tmpfs, which is memory: this says nothing of a disk" : `in a file on ${name}`;
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/**
 * Creates checkpoint stores in files, each in a folder of its own. @param survives - failures that a stored batch
 * survives
 */
export function inFiles(durability: Durability, survives: string): CheckpointStores {
  return {
    async make() {
      const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-bench-"));
      const file = path.join(folder, "checkpoints.db");
      return {
        address: file,
        note: `${survives}; ${fileSystemOf(folder)}`,
        waits: durability === "full",
        bytes: async () => sizeOf(file) + sizeOf(`${file}-wal`),
        remove: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    async open(file) {
      const checkpoints = await SqliteCheckpointStore.open({ file, durability });
      return { checkpoints, [Symbol.asyncDispose]: () => checkpoints.close() };
    },
  };
}
