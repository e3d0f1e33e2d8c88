// Parts of the service that request handlers share.
import type { IncomingMessage } from "node:http";
import type { FinalAnswer } from "penguiflow";
import type { Config } from "./config.ts";
import type { Door } from "./door.ts";
import type { AnswerFlow } from "./flow.ts";
import { Refusal } from "./problem.ts";
import type { Replies } from "./replies.ts";
import type { Telemetry } from "./telemetry.ts";

export interface Parts {
  readonly config: Config;
  readonly door: Door;
  readonly flow: AnswerFlow;
  readonly replies: Replies<FinalAnswer>;
  readonly telemetry: Telemetry;
}

/** The only route, for every protocol. */
export const ROUTE = "/v1/answers";

/** @throws Refusal when the request is for another path */
export function requireRoute(request: IncomingMessage): URL {
  const url = URL.parse(request.url ?? "/", "http://localhost");
  if (url?.pathname === ROUTE) return url;
  throw new Refusal(404, "NOT_FOUND", `Cannot find this path: the only one is ${ROUTE}`);
}
