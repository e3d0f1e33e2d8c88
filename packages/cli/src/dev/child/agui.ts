import { randomUUID } from "node:crypto";
import type * as AgUi from "@penguiflow/ag-ui";
import { CliError } from "../../exit.ts";
import { packageOf } from "../../package-of.ts";
import type { AguiAnswer } from "../ipc/messages.ts";
import { PERSON } from "./person.ts";
import { Refusal } from "./refusal.ts";
import type { RunningFlow } from "./running-flow.ts";

interface Open {
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly gone: AbortController;
}

/** Serves flows as AG-UI agents. The supervisor asks for each piece of an answer: a slow client slows its run. */
export class AguiServer {
  readonly #root: string;
  readonly #handlers = new WeakMap<RunningFlow, AgUi.AguiHandler>();
  readonly #open = new Map<string, Open>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Answers a request; its body is read with {@link AguiServer.next}. */
  async open(running: RunningFlow, body: string): Promise<AguiAnswer> {
    const handler = await this.#handlerOf(running);
    const gone = new AbortController();
    const headers = { "content-type": "application/json" };
    const request = new Request("http://localhost/", { method: "POST", headers, body, signal: gone.signal });
    const response = await handler(request);
    const key = randomUUID();
    this.#open.set(key, { reader: response.body?.getReader(), gone });
    return { key, status: response.status, contentType: response.headers.get("content-type") ?? "text/plain" };
  }

  /** Returns the next piece of an answer; `null` after the last. */
  async next(key: string): Promise<string | null> {
    const open = this.#open.get(key);
    const { done = true, value } = (await open?.reader?.read()) ?? {};
    if (!done && value !== undefined) return new TextDecoder().decode(value);
    this.#open.delete(key);
    return null;
  }

  /** Learns that a client has gone. Its run goes on. */
  leave(key: string): void {
    const open = this.#open.get(key);
    this.#open.delete(key);
    open?.gone.abort();
    open?.reader?.cancel().catch(() => {});
  }

  async #handlerOf(running: RunningFlow): Promise<AgUi.AguiHandler> {
    const known = this.#handlers.get(running);
    if (known !== undefined) return known;
    const { aguiHandler, observeFlows } = await this.#package();
    const { flow, planner } = running.found;
    const options = { caller: () => ({ user: PERSON }), onDisconnect: "continue" as const };
    // records and chunks have had subscribers since before the project was loaded
    observeFlows([flow]);
    const made =
      planner === undefined
        ? aguiHandler<string>(flow as Parameters<typeof aguiHandler<string>>[0], {
            ...options,
            steps: true,
            events: true,
            state: (memory) => memory,
          })
        : aguiHandler(planner, options);
    this.#handlers.set(running, made);
    return made;
  }

  async #package(): Promise<typeof AgUi> {
    try {
      return await packageOf<typeof AgUi>({ cwd: this.#root }, "AG-UI route", "@penguiflow/ag-ui");
    } catch (error) {
      if (error instanceof CliError) throw new Refusal("ROUTE_UNKNOWN", `${error.message}: ${error.hint ?? ""}`);
      throw error;
    }
  }
}
