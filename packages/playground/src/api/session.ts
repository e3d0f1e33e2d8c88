import { send } from "./request.ts";

/**
 * Trades the token behind the address's `#` for the cookie of a session, and takes it off the address, so that it
 * stays in no history, bookmark or screenshot.
 */
export async function openSession(): Promise<void> {
  const found = /^#(?:token=)?([\w-]{16,})$/.exec(location.hash);
  if (found === null) return;
  history.replaceState(null, "", `${location.pathname}${location.search}`);
  await send("POST", "session", { token: found[1] });
}
