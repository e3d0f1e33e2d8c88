import type { ComponentType } from "preact";
import type { IconName } from "../parts/icon.tsx";
import { matchPath, type Params } from "../routing/route-pattern.ts";

/** The address that a screen shows. Its query is read from `query` in the router. */
export interface ScreenProps {
  readonly params: Params;
}

/** Entries of the rail, in its order. */
export type Section = "chat" | "approvals" | "runs" | "flows" | "tools" | "memory" | "lint" | "simulate";

/** A screen: its code is loaded when it is first shown. */
export interface ScreenEntry {
  readonly pattern: string;
  /** Title of the document; the screen's own `h1` may say more. */
  readonly title: string;
  /** The entry of the rail that is marked while it is shown. */
  readonly section: Section;
  readonly load: () => Promise<{ readonly Screen: ComponentType<ScreenProps> }>;
}

/** An entry of the rail. */
export interface RailEntry {
  readonly section: Section;
  readonly label: string;
  readonly icon: IconName;
  readonly href: string;
  /** The second key after `g`. */
  readonly key?: string;
}

export const rail: readonly RailEntry[] = [
  { section: "chat", label: "Chat", icon: "chat", href: "/", key: "c" },
  { section: "approvals", label: "Approvals", icon: "approvals", href: "/approvals", key: "a" },
  { section: "runs", label: "Runs", icon: "runs", href: "/runs", key: "r" },
  { section: "flows", label: "Flows", icon: "flows", href: "/flows", key: "f" },
  { section: "tools", label: "Tools", icon: "tools", href: "/tools", key: "t" },
  { section: "memory", label: "Memory", icon: "memory", href: "/memory" },
  { section: "lint", label: "Lint", icon: "lint", href: "/lint" },
  { section: "simulate", label: "Simulate", icon: "simulate", href: "/simulate" },
];

const chat = () => import("./chat/chat-screen.tsx");
const memory = () => import("./memory/memory-screen.tsx");
const tools = () => import("./tools/tools-screen.tsx");

const screens: readonly ScreenEntry[] = [
  { pattern: "/", title: "Chat", section: "chat", load: chat },
  { pattern: "/threads/:id", title: "Chat", section: "chat", load: chat },
  { pattern: "/runs", title: "Runs", section: "runs", load: () => import("./runs/runs-screen.tsx") },
  { pattern: "/runs/:flow/:id", title: "Run", section: "runs", load: () => import("./run/run-screen.tsx") },
  { pattern: "/compare", title: "Compare", section: "runs", load: () => import("./compare/compare-screen.tsx") },
  {
    pattern: "/simulate",
    title: "Simulate",
    section: "simulate",
    load: () => import("./simulate/simulate-screen.tsx"),
  },
  { pattern: "/flows", title: "Flows", section: "flows", load: () => import("./flow/flows-screen.tsx") },
  { pattern: "/flows/:name", title: "Flow", section: "flows", load: () => import("./flow/flow-screen.tsx") },
  { pattern: "/threads", title: "Threads", section: "chat", load: () => import("./threads/threads-screen.tsx") },
  {
    pattern: "/approvals",
    title: "Approvals",
    section: "approvals",
    load: () => import("./approvals/approvals-screen.tsx"),
  },
  { pattern: "/tools", title: "Tools", section: "tools", load: tools },
  { pattern: "/tools/:flow/:name", title: "Tools", section: "tools", load: tools },
  { pattern: "/memory", title: "Memory", section: "memory", load: memory },
  {
    pattern: "/threads/:id/memory",
    title: "Memory",
    section: "memory",
    load: memory,
  },
  { pattern: "/lint", title: "Lint", section: "lint", load: () => import("./lint/lint-screen.tsx") },
];

/** Finds the screen of a path. */
export function screenOf(path: string): { readonly entry: ScreenEntry; readonly params: Params } | undefined {
  for (const entry of screens) {
    const params = matchPath(entry.pattern, path);
    if (params !== undefined) return { entry, params };
  }
  return undefined;
}
