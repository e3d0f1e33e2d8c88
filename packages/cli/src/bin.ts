#!/usr/bin/env node
import { run } from "./run-process.ts";

await run();
