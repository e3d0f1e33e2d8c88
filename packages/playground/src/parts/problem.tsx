import { ApiFailure, messageOf } from "../api/api-failure.ts";
import { Icon } from "./icon.tsx";

/** An error in place: its sentence, its code, and a way to try again. */
export function Problem({ error, again }: { readonly error: unknown; readonly again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <Icon name="cross" />
      <div>
        <p>{messageOf(error)}</p>
        {error instanceof ApiFailure ? <code>{error.code}</code> : null}
      </div>
      {again === undefined ? null : (
        <button type="button" class="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
