/**
 * A captured async context: functions run in the scope see the values that every `AsyncLocalStorage` held at capture.
 * An `AsyncResource` of `node:async_hooks` is one.
 */
export interface AsyncScope {
  /** Calls `work` in the captured context and returns its result. The previous context is restored afterwards. */
  runInAsyncScope<Args extends unknown[], Result>(
    work: (...args: Args) => Result,
    self: undefined,
    ...args: Args
  ): Result;
}

/** The parts of a host that may have `node:async_hooks`: Node, Bun, Deno, and workerd with `nodejs_compat`. */
interface Host {
  readonly process?: {
    getBuiltinModule?(
      name: "node:async_hooks",
    ): { readonly AsyncResource?: new (type: string) => AsyncScope } | undefined;
  };
}

/** The scope of hosts without async contexts. */
const UNSCOPED: AsyncScope = { runInAsyncScope: (work, _self, ...args) => work(...args) };

/** Descriptions of the symbols under which Node's resources hold a context: whole, or one per store. */
const CONTEXT_KEYS = /^(?:context_frame|kResourceStore|kAsyncLocalStorageContext)$/;

const { AsyncResource } = (globalThis as Host).process?.getBuiltinModule?.("node:async_hooks") ?? {};

/**
 * The empty async context, for work that belongs to no trace. On hosts whose resources hide their context, it is the
 * context in which this module was loaded.
 */
export const EMPTY_SCOPE: AsyncScope = captureEmpty();

/** The key of the whole context in a resource of Node 24; hosts with another form have none. */
const FRAME_KEY = Object.getOwnPropertySymbols(EMPTY_SCOPE).find((key) => key.description === "context_frame");

/**
 * Captures the async context of its caller. Callers outside of every context share one scope, so that a program without
 * `AsyncLocalStorage` keeps nothing for a trace. `AsyncLocalStorage.snapshot` of Node 24 takes a hundred times as long.
 */
export const captureScope: () => AsyncScope = capturer();

function capturer(): () => AsyncScope {
  if (AsyncResource === undefined) return () => UNSCOPED;
  if (FRAME_KEY === undefined) return () => new AsyncResource("PENGUIFLOW");
  return () => {
    const scope = new AsyncResource("PENGUIFLOW");
    return (scope as Framed)[FRAME_KEY] === undefined ? EMPTY_SCOPE : scope;
  };
}

type Framed = AsyncScope & { readonly [key: symbol]: unknown };

function captureEmpty(): AsyncScope {
  if (AsyncResource === undefined) return UNSCOPED;
  const scope = new AsyncResource("PENGUIFLOW");
  // a module first imported within a request would keep that request's context forever
  for (const key of Object.getOwnPropertySymbols(scope))
    if (CONTEXT_KEYS.test(key.description ?? "")) Reflect.set(scope, key, undefined);
  return scope;
}
