/**
 * A stream of server-sent events that outlives its connections.
 *
 * connecting → live ⇄ away → live; to `refused` from any of them when the server does not know the session any more,
 * and to `closed` by its reader.
 */
export type FeedState = "connecting" | "live" | "away" | "refused" | "closed";

/** Whether the page is in sight. */
export interface Sight {
  readonly isHidden: () => boolean;
  /** Calls a listener when that changes. @returns a function that ends it */
  readonly onChange: (listener: () => void) => () => void;
}

/** The part of `EventSource` that a feed needs. */
export interface Source {
  readonly readyState: number;
  close(): void;
  addEventListener(name: string, listener: (event: { readonly data?: unknown }) => void): void;
}

export interface FeedOptions<Item> {
  /** Address without the position: `/api/events`. */
  readonly url: string;
  /** Names of the events, each the `type` of an item. */
  readonly types: readonly string[];
  readonly onItem: (item: Item) => void;
  readonly onState: (state: FeedState) => void;
  /** Called when items were missed for good, before the feed begins anew. */
  readonly onGap: () => void;
  /** Asks whether the server is there and knows the session. */
  readonly probe: () => Promise<"ok" | "refused" | "unreachable">;
  readonly open?: (url: string) => Source;
  readonly sight?: Sight;
  readonly wait?: (ms: number) => Promise<void>;
}

const CLOSED = 2;
const LONGEST_WAIT_MS = 5000;

const ofDocument: Sight = {
  isHidden: () => document.hidden,
  onChange(listener) {
    document.addEventListener("visibilitychange", listener);
    return () => document.removeEventListener("visibilitychange", listener);
  },
};

/**
 * Opens a feed. A hidden page holds no connection, since a browser gives all tabs of a server six: it goes on from its
 * last item when it is shown again.
 *
 * @returns a function that closes it
 */
export function openFeed<Item extends { readonly seq?: number }>(options: FeedOptions<Item>): () => void {
  const open = options.open ?? ((url) => new EventSource(url));
  const wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  let position: number | undefined;
  let failures = 0;
  let isClosed = false;
  let isAsleep = false;
  const sight = options.sight ?? ofDocument;
  const unwatch = sight.onChange(() => {
    if (isClosed || isAsleep === sight.isHidden()) return;
    isAsleep = sight.isHidden();
    if (isAsleep) source?.close();
    else connect();
  });
  let source: Source | undefined;

  function connect(): void {
    const since = position === undefined ? "" : `${options.url.includes("?") ? "&" : "?"}since=${position}`;
    const opened = open(`${options.url}${since}`);
    source = opened;
    opened.addEventListener("open", () => {
      failures = 0;
      if (!isClosed) options.onState("live");
    });
    opened.addEventListener("error", () => {
      if (isClosed || isAsleep) return;
      options.onState("away");
      // the browser tries again by itself, with Last-Event-ID, unless the server answered with an error
      if (opened.readyState === CLOSED) void reconnect();
    });
    for (const type of options.types) {
      opened.addEventListener(type, (event) => {
        if (isClosed || typeof event.data !== "string") return;
        const item = { type, ...(JSON.parse(event.data) as object) } as unknown as Item;
        position = item.seq ?? position;
        options.onItem(item);
      });
    }
  }

  async function reconnect(): Promise<void> {
    failures += 1;
    await wait(Math.min(LONGEST_WAIT_MS, 250 * 2 ** failures));
    if (isClosed) return;
    const found = await options.probe();
    if (isClosed) return;
    if (found === "refused") {
      options.onState("refused");
      return;
    }
    if (found === "unreachable") {
      await reconnect();
      return;
    }
    if (isAsleep) return;
    // the server is there and refused this stream: it no longer has the position
    position = undefined;
    options.onGap();
    connect();
  }

  options.onState("connecting");
  connect();
  return () => {
    isClosed = true;
    unwatch();
    source?.close();
    options.onState("closed");
  };
}
