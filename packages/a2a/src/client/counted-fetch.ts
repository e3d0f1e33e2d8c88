import { refused, unavailable } from "./failures.ts";

/** Settings of a call for its requests. Found by the abort signal that the call passes along. */
export interface RequestWishes {
  /** URL of the agent, for errors. */
  readonly agentUrl: string;
  readonly onBytes: ((bytes: { readonly sent: number; readonly received: number }) => void) | undefined;
  /** Time until an answer must begin, in milliseconds. */
  readonly timeoutMs: number;
}

const wishes = new WeakMap<AbortSignal, RequestWishes>();

/** Creates a signal for the requests of one call. */
export function requestSignal(signal: AbortSignal, wish: RequestWishes): AbortSignal {
  const own = AbortSignal.any([signal]);
  wishes.set(own, wish);
  return own;
}

const REFUSALS: Readonly<Record<number, string>> = {
  401: 'it requires authentication (401): set the option "headers"',
  403: "this caller may not call it (403)",
  404: "there is nothing at that address (404)",
  405: "there is no agent at that address (405)",
  413: "the message is too large (413)",
  415: "it does not take this media type (415)",
};

/** Statuses of a gateway, or of a busy agent: the call was not processed. */
const BUSY: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/**
 * Wraps `fetch`: times out when no answer begins, counts the bytes of bodies as they pass, and names agent and cause in
 * its errors.
 */
export function countedFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const { signal } = init;
    const wish = signal instanceof AbortSignal ? wishes.get(signal) : undefined;
    if (!(signal instanceof AbortSignal) || wish === undefined) return await fetch(input, init);
    const { agentUrl, onBytes, timeoutMs } = wish;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), timeoutMs);
    let response: Response;
    try {
      if (typeof init.body === "string")
        onBytes?.({ sent: new TextEncoder().encode(init.body).byteLength, received: 0 });
      response = await fetch(input, { ...init, signal: AbortSignal.any([signal, patience.signal]) });
    } catch (error) {
      signal.throwIfAborted();
      const why = patience.signal.aborted ? `no answer began within ${timeoutMs} ms` : reasonOf(error);
      throw unavailable(agentUrl, why, error);
    } finally {
      clearTimeout(timer);
    }
    const refusal = REFUSALS[response.status];
    // an error of the protocol is more specific than its status
    const isKnown = /a2a-protocol\.org|"code": ?-32\d{3}/.test((await peeked(response)) ?? "");
    if (!isKnown && (refusal !== undefined || BUSY.has(response.status))) {
      await response.body?.cancel();
      if (refusal === undefined) throw unavailable(agentUrl, `got status ${response.status}`, undefined);
      throw refused(`Agent "${agentUrl}" refused the call: ${refusal}`, undefined, { status: response.status });
    }
    return counted(response, wish);
  };
}

/** Reads the body of an error response without consuming it. */
async function peeked(response: Response): Promise<string | undefined> {
  return response.ok ? undefined : await response.clone().text();
}

/** Wraps a response: its body counts its bytes, and reports a connection that breaks halfway. */
function counted(response: Response, { agentUrl, onBytes }: RequestWishes): Response {
  if (response.body === null) return response;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          onBytes?.({ sent: 0, received: value.byteLength });
          controller.enqueue(value);
        } catch (error) {
          controller.error(unavailable(agentUrl, `the connection broke: ${reasonOf(error)}`, error));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // reads nothing ahead
    { highWaterMark: 0 },
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

/** Extracts the reason of a failed request, which Node puts into the cause of its error. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Partial<Error>;
  return cause instanceof Error && cause.message !== "" ? cause.message : (message ?? String(error));
}
