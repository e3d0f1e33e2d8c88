// Builds the pages and shows them over the scripted server: for work on them.
// node --conditions=@penguiflow/source packages/playground/test/scripted-server/main-process.ts [port] [pace]
import path from "node:path";
import { buildPage } from "../../../../scripts/build-page.ts";
import { scratchFolder } from "../../../../scripts/workspace.ts";
import { startScriptedServer, TOKEN } from "./server.ts";

const [port = "4748", pace = "1"] = process.argv.slice(2);
const folder = path.join(scratchFolder("playground"), "page");
await buildPage(folder);
const server = await startScriptedServer({ folder, port: Number(port), pace: Number(pace), runs: 240, load: {} });
process.stdout.write(`${server.origin}/#token=${TOKEN}\n`);
