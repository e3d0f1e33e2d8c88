import type { ApiProblem, FeedItem, RunStreamItem } from "@penguiflow/playground/protocol";
import { type DevOptions, type DevServer, startDevServer } from "../../src/dev/dev-server.ts";
import { projectFiles } from "../../src/new/project-files.ts";
import type { Template } from "../../src/new/templates.ts";
import { Scratch } from "../scratch.ts";

/** Answer of the API. */
export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

/** A project in a folder of its own, with its development server and a client of it. */
export class DevProject implements AsyncDisposable {
  readonly scratch: Scratch;
  readonly server: DevServer;
  readonly #clients = new AbortController();

  constructor(scratch: Scratch, server: DevServer) {
    this.scratch = scratch;
    this.server = server;
  }

  /** Starts a server for files, or for a template with some files changed; resolves once code is loaded or does not load. */
  static async start(
    files: Readonly<Record<string, string>>,
    template?: Template,
    options: Partial<DevOptions> = {},
  ): Promise<DevProject> {
    const made = template === undefined ? {} : Object.fromEntries(projectFiles(template, "scratch"));
    const scratch = new Scratch({ ...made, ...files });
    const known = Promise.withResolvers<void>();
    const server = await startDevServer({
      root: scratch.folder,
      env: { PATH: process.env["PATH"] },
      place: { host: "127.0.0.1", port: 0, isChosen: true },
      token: undefined,
      reloads: true,
      onReady: () => known.resolve(),
      onOverlay: () => known.resolve(),
      onMissing: ({ message }) => known.reject(new Error(message)),
      onOutput: () => {},
      onFault: (error) => known.reject(error),
      ...options,
    });
    await known.promise;
    return new DevProject(scratch, server);
  }

  /** Calls the API. */
  async api<Body = unknown>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    const response = await fetch(`${this.server.origin}/api${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.server.token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json" && text !== "";
    return { status: response.status, body: (isJson ? JSON.parse(text) : text) as Body };
  }

  /** Calls the API, and returns the code of its refusal. */
  async refusal(method: string, path: string, body?: unknown): Promise<string> {
    return (await this.api<ApiProblem>(method, path, body)).body.error.code;
  }

  /** Reads server-sent events. */
  async *events<Item>(path: string, body?: object): AsyncGenerator<Item> {
    const response = await fetch(`${this.server.origin}/api${path}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${this.server.token}`, "content-type": "application/json" },
      signal: this.#clients.signal,
    });
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (text + chunk).split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data !== undefined) yield JSON.parse(data) as Item;
      }
    }
  }

  /** Follows a run to its end, or until a condition holds, and returns what was told. */
  async follow(
    flow: string,
    id: string,
    until: (item: RunStreamItem) => boolean = () => false,
  ): Promise<RunStreamItem[]> {
    const items: RunStreamItem[] = [];
    for await (const item of this.events<RunStreamItem>(`/runs/${flow}/${id}/stream`)) {
      items.push(item);
      if (item.type === "end" || until(item)) break;
    }
    return items;
  }

  /** Reads the live feed until a condition holds, and returns that item. */
  async feed<Found extends FeedItem = FeedItem>(
    begin: () => unknown,
    isFound: ((item: FeedItem) => item is Found) | ((item: FeedItem) => boolean),
  ): Promise<Found> {
    for await (const item of this.events<FeedItem>("/events")) {
      if (item.type === "hello") await begin();
      if (isFound(item)) return item as Found;
    }
    throw new Error("The feed has ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clients.abort();
    await this.server.close();
    this.scratch[Symbol.dispose]();
  }
}
