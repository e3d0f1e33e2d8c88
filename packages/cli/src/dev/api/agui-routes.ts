import { once } from "node:events";
import { ApiError } from "../server/api-error.ts";
import { readText } from "../server/body.ts";
import { SAFE_HEADERS } from "../server/reply.ts";
import { type Call, type Route, route, WRITTEN } from "../server/router.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** The route that serves flows and planners as AG-UI agents. */
export function aguiRoutes(supervisor: Supervisor): Route[] {
  return [route("POST /agui/:flow", async (call) => await serve(supervisor, call))];
}

async function serve(supervisor: Supervisor, { request, response, params, gone }: Call): Promise<typeof WRITTEN> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? ""))
    throw new ApiError("CONTENT_TYPE_WRONG", "The body must be application/json");
  const { name: flow } = supervisor.flow(params["flow"]!);
  const body = await readText(request);
  await supervisor.entries.pass(flow, gone);
  if (gone.aborted) return WRITTEN;
  const { child } = supervisor;
  const { key, status, contentType } = await child.ask({ type: "agui", flow, body });
  response.writeHead(status, { ...SAFE_HEADERS, "content-type": contentType, "cache-control": "no-store" });
  response.flushHeaders();
  gone.addEventListener("abort", () => void child.ask({ type: "aguiLeave", key }).catch(() => {}), { once: true });
  try {
    for (;;) {
      const piece = await child.ask({ type: "aguiNext", key });
      if (piece === null || gone.aborted) break;
      if (!response.write(piece)) await once(response, "drain", { signal: gone });
    }
  } catch {
    // the client or the project's process has gone
  }
  response.end();
  return WRITTEN;
}
