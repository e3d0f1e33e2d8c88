import { api } from "../../api/routes.ts";
import { isReadOnly } from "../../store/project.ts";

/** A place in the project's code, which opens in the editor. */
export function Place({ place }: { readonly place: string }) {
  const [, file = place, line] = /^(.*?):(\d+)(?::\d+)?$/.exec(place) ?? [];
  if (isReadOnly.value) return <code>{place}</code>;
  return (
    <button
      type="button"
      class="link mono"
      title="Open in the editor"
      onClick={() => void api.openFile(file, line === undefined ? undefined : Number(line)).catch(() => {})}
    >
      {place}
    </button>
  );
}
