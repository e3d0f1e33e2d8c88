import { subscribedTap } from "../events/diagnostics-channels.ts";

/** The place in a program at which a node was made. */
export interface SourcePlace {
  /** File, as a `file:` address where the runtime names modules so. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
}

/** Calls that led to each node. An engine formats their text only when it is read. */
const calls = new WeakMap<object, Error>();

/**
 * Notes the calls that lead to a new node, if a tool has subscribed to `penguiflow:run`: it has done so before it loads the
 * program. Otherwise nothing is noted, since a stack costs more than the node.
 */
export function noteSource(node: object): void {
  if (subscribedTap("run") !== undefined) calls.set(node, new Error("made here"));
}

/** Returns the place at which a node was made; `undefined` if it is unknown. */
export function sourceOf(node: object): SourcePlace | undefined {
  const stack = calls.get(node)?.stack ?? "";
  const places = stack.split("\n").flatMap((line) => placeIn(line) ?? []);
  // the first is this file, or the bundle with all of the package
  const own = places[0]?.file.replace(/(?:graph\/source-place\.ts|[^/\\]*)$/, "") ?? "";
  const outside = places.filter(({ file }) => !file.startsWith(own));
  return outside.find(({ file }) => !file.includes("/node_modules/")) ?? outside[0];
}

/** Reads one line of a stack, as V8 (`at make (file:1:2)`) and other engines (`make@file:1:2`) write it. */
function placeIn(text: string): SourcePlace | undefined {
  const found = /(?:^|[\s(@])((?:[a-z]+:\/\/|\/|[A-Za-z]:[\\/]).*?):(\d+):(\d+)\)?$/.exec(text.trimEnd());
  const [, file, line, column] = found ?? [];
  return file === undefined ? undefined : { file, line: Number(line), column: Number(column) };
}
