/**
 * Returns the prefix that the ids of a thread's traces share. A thread belongs to one user: another user's thread of the
 * same id has another prefix.
 */
export async function threadPrefix(user: string | undefined, threadId: string): Promise<string> {
  return `${await digest(JSON.stringify([user ?? null, threadId]))}.`;
}

/**
 * Returns the id of the trace that a run of a thread begins, for `flow.cancel`, histories and logs. A run that resumes
 * one goes on with the trace of the run that began it.
 *
 * @param user - the user that `caller` returns; `undefined` for none
 */
export async function traceIdOf(user: string | undefined, threadId: string, runId: string): Promise<string> {
  return `${await threadPrefix(user, threadId)}${runId}`;
}

/**
 * Returns the public id of a pause. Neither it nor the thread reveals the token, and a restart does not change it.
 *
 * @param token - the secret token of the pause, unguessable: the digest needs no key
 */
export async function interruptId(prefix: string, token: string): Promise<string> {
  return `int_${await digest(prefix + token)}`;
}

/** Returns the first 18 bytes of the SHA-256 of a text, as 24 characters that are safe in URLs. */
async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes, 0, 18)));
  return base64.replaceAll("+", "-").replaceAll("/", "_");
}
