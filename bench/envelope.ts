/** Payload of one request, in every subject. */
export interface Payload {
  readonly id: number;
  readonly text: string;
}

/** Envelope with the same load as a PenguiFlow message, for subjects without an envelope of their own. */
export class Envelope {
  readonly payload: Payload;
  readonly headers: { readonly tenant: string };
  readonly traceId: string;
  readonly meta: Readonly<Record<string, unknown>>;

  constructor(payload: Payload, from?: Envelope) {
    this.payload = payload;
    this.headers = from?.headers ?? { tenant: "bench" };
    this.traceId = from?.traceId ?? `trace-${payload.id}`;
    this.meta = from?.meta ?? {};
  }

  /** Returns the envelope around another payload. */
  with(payload: Payload): Envelope {
    return new Envelope(payload, this);
  }
}
