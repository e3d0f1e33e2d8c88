import { configureLogging } from "penguiflow";
import { readConfig } from "../config.ts";
import type { Library, Passage } from "../library.ts";
import { Service } from "../service.ts";

export const TOKENS = { acme: "a-token-of-acme-0001", zeta: "a-token-of-zeta-0001" } as const;
export type Tenant = keyof typeof TOKENS;

export const bearer = (tenant: Tenant) => ({ authorization: `Bearer ${TOKENS[tenant]}` });

/** Creates a library of one passage, which names its tenant. */
const libraryOf = (tenant: string): Library => ({
  search: (question) => [{ file: `${tenant}.md`, line: 1, text: `${tenant} on ${question}` }],
});

interface Wanted {
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Creates the library of a tenant from its documents, whose folder has the tenant's name. @defaultValue
   * {@link libraryOf}
   */
  readonly library?: (tenant: string) => Library;
}

/** Starts a service on a free port, with two tenants; its log is kept. */
export async function startService({ environment = {}, library = libraryOf }: Wanted = {}) {
  const logged: string[] = [];
  configureLogging({ structured: true, write: (line) => void logged.push(line) });
  const tenants = Object.entries(TOKENS).map(([name, token]) => ({ name, token, documents: name }));
  const config = readConfig({
    PORT: "0",
    ADMIN_PORT: "0",
    DRAIN_DELAY_MS: "0",
    DRAIN_MS: "0",
    TENANTS: JSON.stringify(tenants),
    ...environment,
  });
  const service = new Service(config);
  await service.start(async (documents) => library(documents));
  let drained: ReturnType<Service["drain"]> | undefined;
  return {
    service,
    ...service.parts,
    url: service.url,
    adminUrl: service.adminUrl,
    logged,
    /** Requests JSON, as `fetch` does. */
    ask: (question: unknown, { tenant = "acme", ...init }: RequestInit & { tenant?: Tenant } = {}) =>
      fetch(service.url, {
        method: "POST",
        body: JSON.stringify(question),
        ...init,
        headers: { "content-type": "application/json", ...bearer(tenant), ...(init.headers as Record<string, string>) },
      }),
    drain: () => (drained ??= service.drain()),
    async [Symbol.asyncDispose]() {
      await (drained ??= service.drain());
      configureLogging();
    },
  };
}

/** Creates a library whose searches wait until they are released or aborted. */
export function gatedLibrary() {
  const gate = Promise.withResolvers<void>();
  const searching = { now: 0, stopped: 0, ever: 0 };
  const library: Library = {
    async search(question, _limit, signal) {
      searching.now += 1;
      searching.ever += 1;
      const stopped = new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          searching.stopped += 1;
          reject(signal.reason as Error);
        });
      });
      await Promise.race([gate.promise, stopped]).finally(() => (searching.now -= 1));
      return [{ file: "gate.md", line: 1, text: `after the gate: ${question}` }];
    },
  };
  return { library, searching, open: () => gate.resolve() };
}

/** Creates a library with a very long answer, which counts the passages it has sent. */
export function longLibrary(passages = 300, bytes = 100_000) {
  const sent = { passages: 0 };
  const text = "word ".repeat(bytes / 5);
  const library: Library = {
    search: () =>
      Array.from({ length: passages }, (_, line): Passage => {
        let isSent = false;
        return {
          file: "long.md",
          line,
          get text() {
            if (!isSent) sent.passages += 1;
            isSent = true;
            return text;
          },
        };
      }),
  };
  return { library, sent, passages };
}
