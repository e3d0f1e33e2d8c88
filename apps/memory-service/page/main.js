import { doors, me } from "./api.js";
import { put } from "./dom.js";
import { problem } from "./parts/problem.js";
import { session } from "./session.js";
import { showShell } from "./shell/shell.js";
import { showSignIn } from "./shell/sign-in.js";
import { applyTheme } from "./theme.js";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));

/** Shows the memory of who is signed in, or the way in. */
function start() {
  if (session() === undefined) showSignIn(app, start);
  else void showMemory();
}

/** Asks who is signed in, and shows the memory. */
async function showMemory() {
  try {
    showShell(app, await me(), start);
  } catch (error) {
    // without a session the way in is shown already
    if (session() !== undefined) put(app, problem(error));
  }
}

applyTheme();
doors.addEventListener("refused", () => showSignIn(app, start, "The server does not know this key any more"));
start();
