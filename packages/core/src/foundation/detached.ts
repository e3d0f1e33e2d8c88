/** Returns the promise itself. A rejection that its receiver does not await no longer terminates the process. */
export function detached<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}
