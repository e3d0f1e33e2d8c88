#!/usr/bin/env node
import { run } from "@penguiflow/cli";

await run("new");
