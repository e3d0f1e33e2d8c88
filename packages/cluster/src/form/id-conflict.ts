import { FlowError, FlowErrorCode } from "penguiflow";

/** Whether the digests of two inputs of an id differ. An empty one is not known. */
export const differs = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && one !== "" && other !== undefined && other !== "" && one !== other;

/** Returns the error of a call whose id was used for another input. */
export function idConflict(tenant: string, id: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.ID_CONFLICT,
    message: `Cannot accept id "${id}": it was used with another input; use an id of its own for each input`,
    traceId: id,
    tenant,
  });
}
