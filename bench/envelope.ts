/** What one request carries, in every subject. */
export interface Payload {
  readonly id: number;
  readonly text: string;
}

/** The same load that a PenguiFlow message carries, for the subjects that bring no envelope of their own. */
export class Envelope {
  readonly payload: Payload;
  readonly headers: { readonly tenant: string };
  readonly traceId: string;
  readonly meta: Readonly<Record<string, unknown>>;

  constructor(payload: Payload) {
    this.payload = payload;
    this.headers = { tenant: "bench" };
    this.traceId = `trace-${payload.id}`;
    this.meta = {};
  }
}
