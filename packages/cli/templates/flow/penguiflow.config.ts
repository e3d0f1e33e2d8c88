import { defineConfig } from "@penguiflow/cli";
import { resources } from "./src/flows.ts";

export default defineConfig({ entry: "src/flows.ts", run: () => ({ resources }) });
