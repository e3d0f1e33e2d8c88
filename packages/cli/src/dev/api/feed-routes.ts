import { EventStream } from "../server/event-stream.ts";
import { type Route, route, WRITTEN } from "../server/router.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** The route of the live feed. */
export function feedRoutes(supervisor: Supervisor): Route[] {
  const { feed } = supervisor;
  return [
    route("GET /events", ({ request, response, query }) => {
      const asked = query.get("since") ?? undefined;
      const last = request.headers["last-event-id"];
      feed.check(asked);
      const reader = feed.join(
        new EventStream(response, { onDrained: () => feed.drained(reader), onClose: () => feed.leave(reader) }),
        {
          since: typeof last === "string" ? last : asked,
          flow: query.get("flow") ?? undefined,
          generation: supervisor.generation,
        },
      );
      return WRITTEN;
    }),
  ];
}
