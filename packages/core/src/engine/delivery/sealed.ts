import { checkedHeaders, Message } from "../../message/message.ts";
import { VOUCHED } from "../../message/vouched.ts";
import type { Trace } from "../state/trace.ts";

/** Restores the trace's own id, tenant, principal and deadline on a message made by a handler. */
export function sealed(trace: Trace, message: Message): Message {
  const { headers, traceId, deadlineAt } = message;
  if (
    traceId === trace.id &&
    headers.tenant === trace.tenant &&
    headers.priority === trace.headers.priority &&
    headers.principal === trace.headers.principal &&
    deadlineAt === trace.deadlineAt
  )
    return message;
  return new Message(
    {
      payload: message.payload,
      headers:
        headers.topic === trace.headers.topic
          ? trace.headers
          : checkedHeaders({ ...trace.headers, topic: headers.topic }),
      traceId: trace.id,
      createdAt: message.createdAt,
      deadlineAt: trace.deadlineAt,
      meta: message.meta,
    },
    VOUCHED,
  );
}
