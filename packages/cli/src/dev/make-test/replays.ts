import { type GraphJson, ROOKERY } from "penguiflow";
import type { StepView } from "@penguiflow/playground/protocol";
import type { KeptMessages } from "../api/run-details.ts";
import { keptLiteral } from "./literal.ts";

/** An attempt that a test does not run: it throws or returns what it did. */
export interface ReplayedAttempt {
  readonly node: string;
  readonly attempt: number;
  /** Source code of the returned value. */
  readonly value?: string;
  /** Message of the thrown error. */
  readonly error?: string;
}

/** The nodes that a test replays. */
export interface Replays {
  readonly attempts: readonly ReplayedAttempt[];
  readonly nodes: readonly { readonly node: string; readonly why: string }[];
}

/**
 * Chooses the nodes that a test replays: those that read or write something outside. What a test feeds in it cannot
 * check: the exit node runs, unless it writes. A node that was given several messages runs as well.
 */
export function replaysOf(
  graph: GraphJson,
  steps: readonly StepView[],
  messages: KeptMessages,
  runForReal: readonly string[],
): Replays {
  const attempts: ReplayedAttempt[] = [];
  const nodes: { readonly node: string; readonly why: string }[] = [];
  for (const { name, effects, isEgress } of graph.nodes) {
    if (effects === undefined || effects === "none" || runForReal.includes(name)) continue;
    if (isEgress && effects !== "writes") continue;
    const own = steps.filter(({ node, path }) => node === name && path.length === 0);
    const replayed = own.map((step) => attemptOf(step, messages, graph));
    if (
      own.length === 0 ||
      new Set(own.map(({ attempt }) => attempt)).size < own.length ||
      replayed.includes(undefined)
    )
      continue;
    attempts.push(...(replayed as ReplayedAttempt[]));
    nodes.push({ node: name, why: effects === "idempotent" ? "writes" : effects });
  }
  return { attempts, nodes };
}

function attemptOf(step: StepView, messages: KeptMessages, { edges }: GraphJson): ReplayedAttempt | undefined {
  const { node, attempt, state, error } = step;
  if (state === "retried" || state === "failed") return { node, attempt, error: thrownBy(node, error?.message) };
  const sent = messages.given(step) === undefined ? [] : messages.sent(step);
  // the messages that a node sends by itself, or to some of its successors, is more than it returns
  const targets = edges.filter(({ from, kind }) => from === node && kind !== "loop").length;
  const values = new Set(sent.map(({ payload }) => keptLiteral(payload)));
  const [value] = values;
  const isReturned = state === "done" && values.size === 1 && sent.length === Math.max(1, targets);
  return isReturned && value !== undefined ? { node, attempt, value } : undefined;
}

/** Returns the message of what a node has thrown: that of the failure says at which node. */
function thrownBy(node: string, message = "It failed"): string {
  const before = `Node "${node}" failed: `;
  return message.startsWith(before) ? message.slice(before.length) : message;
}

/** Names the node whose change a test must notice: the last one that ran for real. */
export function nodeToBreak(
  graph: GraphJson,
  steps: readonly StepView[],
  replayed: readonly string[],
): string | undefined {
  const exits = new Set(graph.edges.filter(({ to }) => to === ROOKERY).map(({ from }) => from));
  const real = steps.filter(({ node, path }) => path.length === 0 && !replayed.includes(node));
  return (real.findLast(({ node }) => exits.has(node)) ?? real.at(-1))?.node;
}
