import { EMPTY_META, freezeMeta, type Meta } from "../../message/meta.ts";
import { checkedHeaders, Message, type MessageHeaders } from "../../message/message.ts";
import { VOUCHED } from "../../message/vouched.ts";
import { fromPlain, toPlain } from "./codec.ts";

/** A message in stored form, without the fields that all messages of its trace share. */
export interface SavedMessage {
  readonly payload: unknown;
  readonly meta?: unknown;
  readonly topic?: string;
  readonly createdAt: number;
}

/** Converts a message to stored form. */
export function savedMessage({ payload, meta, headers, createdAt }: Message): SavedMessage {
  return {
    payload: toPlain(payload),
    ...(hasKeys(meta) ? { meta: toPlain(meta) } : {}),
    ...(headers.topic === undefined ? {} : { topic: headers.topic }),
    createdAt,
  };
}

/** Restores a message from its stored form. */
export function messageOf(
  trace: { readonly id: string },
  common: MessageHeaders,
  saved: SavedMessage,
  deadlineAt: number | undefined,
): Message {
  const { payload, meta, topic, createdAt } = saved;
  return new Message(
    {
      payload: fromPlain(payload),
      headers: topic === common.topic ? common : checkedHeaders({ ...common, topic }),
      traceId: trace.id,
      createdAt,
      deadlineAt,
      meta: meta === undefined ? EMPTY_META : freezeMeta(fromPlain(meta) as Meta),
    },
    VOUCHED,
  );
}

function hasKeys(value: object): boolean {
  for (const _ in value) return true;
  return false;
}
