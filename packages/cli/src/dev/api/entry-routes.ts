import type { EntryView } from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";
import { Fields, readObject } from "../server/body.ts";
import { type Route, route } from "../server/router.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** Routes that hold messages before a flow, and let them go. */
export function entryRoutes(supervisor: Supervisor): Route[] {
  const { entries } = supervisor;
  return [
    route("GET /flows/:flow/entry", ({ params }): EntryView => entries.view(supervisor.flow(params["flow"]!).name)),
    route("POST /flows/:flow/entry", async ({ request, params }): Promise<EntryView> => {
      const { name } = supervisor.flow(params["flow"]!);
      const fields = new Fields(await readObject(request), ["isHeld", "letGo", "run"]);
      const which = fields.choice("letGo", ["oldest", "run"]);
      if ((which === undefined) !== fields.has("isHeld"))
        throw new ApiError("INPUT_MALFORMED", 'Expected one of "isHeld" and "letGo"');
      if (fields.flag("isHeld")) entries.hold(name);
      else {
        // a message that is let go needs code to go to
        supervisor.requireCode();
        if (which === undefined) entries.open(name);
        else entries.letGo(name, which === "run" ? fields.text("run") : undefined);
      }
      return entries.view(name);
    }),
  ];
}
