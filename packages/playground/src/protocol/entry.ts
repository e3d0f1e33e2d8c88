/**
 * `GET /api/flows/:flow/entry` gives the entry of a flow. While it is held, messages of the pages and of AG-UI wait before
 * the flow; those that the project sends itself go on. `POST` takes {@link EntryChange}, and gives the entry as it is then.
 */
export interface EntryView {
  readonly isHeld: boolean;
  /** Number of messages that wait. They outlast a reload of the code, and go to the newest. */
  readonly waiting: number;
}

/** Body of `POST /api/flows/:flow/entry`: holds or opens it, or lets go the oldest message, or that of a run. */
export type EntryChange =
  | { readonly isHeld: boolean }
  | { readonly letGo: "oldest" }
  | { readonly letGo: "run"; readonly run: string };
