import { render } from "preact";
import { openSession } from "./api/session.ts";
import { listenToKeys } from "./routing/keys.ts";
import { listen } from "./routing/router.ts";
import { App } from "./shell/app.tsx";
import { applyTheme } from "./shell/theme.ts";
import { connect, connection, probeServer } from "./store/project.ts";

applyTheme();
listen();
listenToKeys();

const root = document.querySelector("#app");
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}

try {
  await openSession();
  await connect();
} catch {
  connection.value = (await probeServer()) === "refused" ? "refused" : "away";
}
