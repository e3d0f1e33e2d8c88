// Error responses: problem details (RFC 9457) with a stable code and no internals.
import { FlowError } from "penguiflow";

/** A problem and its location in the request. */
export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** A refusal or failure as it is sent. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  /** Problems by location, when the request is invalid. */
  readonly issues?: readonly Issue[];
}

/** Thrown when a request cannot be served. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    title: string,
    more: Pick<Problem, "issues"> & { headers?: Record<string, string> } = {},
  ) {
    super(title);
    const { headers = {}, issues } = more;
    this.problem = { status, code, title, ...(issues === undefined ? {} : { issues }) };
    this.headers = headers;
  }
}

/** Headers that ask the client to retry in a second, when another process has taken over. */
export const RETRY = { "retry-after": "1" };

/** Maps a failure to a refusal. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const code = error instanceof FlowError ? error.code : "INTERNAL";
  if (error instanceof FlowError && code === "INPUT_INVALID") return wrong(issuesOf(error));
  if (code === "DEADLINE_EXCEEDED" || code === "NODE_TIMEOUT") return tooLong(code);
  if (code === "FLOW_STOPPED" || code === "FLOW_NOT_RUNNING") return draining();
  return new Refusal(500, code, "The answer failed");
}

export function draining(): Refusal {
  return new Refusal(503, "DRAINING", "The service is shutting down", { headers: RETRY });
}

export function tooLong(code: string): Refusal {
  return new Refusal(504, code, "The answer timed out");
}

export function wrong(issues: readonly Issue[]): Refusal {
  return new Refusal(400, "INPUT_INVALID", "The request is invalid", { issues });
}

/** Lists the issues found by the flow's schema, under the names that the caller uses. */
function issuesOf({ details }: FlowError): Issue[] {
  const { issues } = details as { readonly issues: readonly Issue[] };
  return issues.map(({ path, message }) => ({ path: path.replace(/^payload\.?/, ""), message }));
}
