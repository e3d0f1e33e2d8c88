import { expect, test } from "vitest";
import { openFeed, type FeedState, type Source } from "../../src/api/event-feed.ts";

interface Item {
  readonly type: string;
  readonly seq?: number;
}

/** A source of events that a test plays. */
class PlayedSource implements Source {
  readyState = 0;
  readonly url: string;
  readonly #listeners = new Map<string, (event: { readonly data?: unknown }) => void>();

  constructor(url: string) {
    this.url = url;
  }

  close(): void {
    this.readyState = 2;
  }

  addEventListener(name: string, listener: (event: { readonly data?: unknown }) => void): void {
    this.#listeners.set(name, listener);
  }

  play(name: string, data?: object): void {
    this.#listeners.get(name)?.({ data: JSON.stringify(data) });
  }
}

function feed(answers: readonly ("ok" | "refused" | "unreachable")[]) {
  const sources: PlayedSource[] = [];
  const states: FeedState[] = [];
  const items: Item[] = [];
  const gaps: number[] = [];
  const waits: number[] = [];
  const probes = [...answers];
  const watchers = new Set<() => void>();
  let isHidden = false;
  const show = (shown: boolean): void => {
    isHidden = !shown;
    for (const watcher of watchers) watcher();
  };
  const close = openFeed<Item>({
    url: "/api/events",
    types: ["frame"],
    onItem: (item) => items.push(item),
    onState: (state) => states.push(state),
    onGap: () => gaps.push(items.length),
    probe: () => Promise.resolve(probes.shift() ?? "ok"),
    open: (url) => {
      const source = new PlayedSource(url);
      sources.push(source);
      return source;
    },
    sight: {
      isHidden: () => isHidden,
      onChange: (watcher) => {
        watchers.add(watcher);
        return () => void watchers.delete(watcher);
      },
    },
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
  });
  const latest = (): PlayedSource => {
    const source = sources.at(-1);
    if (source === undefined) throw new Error("The feed has opened no source");
    return source;
  };
  const refuse = async (): Promise<void> => {
    latest().readyState = 2;
    latest().play("error");
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return { close, show, watchers, latest, refuse, sources, states, items, gaps, waits };
}

test("items carry their event's name, and the feed tells its state", () => {
  const { latest, items, states } = feed([]);
  latest().play("open");
  latest().play("frame", { seq: 4 });
  expect(items).toEqual([{ type: "frame", seq: 4 }]);
  expect(states).toEqual(["connecting", "live"]);
});

test("a connection that drops is left to the browser, which asks from the last item", async () => {
  const { latest, sources, states } = feed([]);
  latest().play("open");
  latest().play("error");
  await Promise.resolve();
  expect(states.at(-1)).toBe("away");
  expect(sources).toHaveLength(1);
});

test("a position that the server no longer has is a gap: the feed begins anew", async () => {
  const { refuse, latest, sources, gaps } = feed(["ok"]);
  latest().play("frame", { seq: 9 });
  await refuse();
  expect(gaps).toEqual([1]);
  expect(sources.map(({ url }) => url)).toEqual(["/api/events", "/api/events"]);
});

test("a server that is away is asked again, less and less often, until it is there", async () => {
  const { refuse, sources, waits } = feed([
    "unreachable",
    "unreachable",
    "unreachable",
    "unreachable",
    "unreachable",
    "ok",
  ]);
  await refuse();
  expect(waits).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  expect(sources).toHaveLength(2);
});

test("a session that the server does not know ends the feed", async () => {
  const { refuse, states, sources } = feed(["refused"]);
  await refuse();
  expect(states.at(-1)).toBe("refused");
  expect(sources).toHaveLength(1);
});

test("a hidden page holds no connection, and goes on from its last item when it is shown", () => {
  const { show, latest, sources, items } = feed([]);
  latest().play("frame", { seq: 7 });
  show(false);
  expect(latest().readyState).toBe(2);
  latest().play("error");
  show(true);
  expect(sources.map(({ url }) => url)).toEqual(["/api/events", "/api/events?since=7"]);
  latest().play("frame", { seq: 8 });
  expect(items.map(({ seq }) => seq)).toEqual([7, 8]);
});

test("a closed feed watches nothing, and is not opened again", () => {
  const { close, show, watchers, sources } = feed([]);
  close();
  show(false);
  show(true);
  expect(watchers.size).toBe(0);
  expect(sources).toHaveLength(1);
});

test("a closed feed tells nothing more", () => {
  const { close, latest, items, states } = feed([]);
  close();
  latest().play("frame", { seq: 1 });
  latest().play("error");
  expect(items).toEqual([]);
  expect(states).toEqual(["connecting", "closed"]);
});
