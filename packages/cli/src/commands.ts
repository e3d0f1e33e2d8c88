import type { Command } from "./command-line/command.ts";
import { aboutCommands } from "./commands/about.ts";
import { clusterDrain, clusterFailed, clusterStatus } from "./commands/cluster.ts";
import { check } from "./commands/check.ts";
import { dev } from "./commands/dev.ts";
import { runsPrune, runsShow } from "./commands/dev-runs.ts";
import { doctor } from "./commands/doctor.ts";
import { draw } from "./commands/draw.ts";
import { history } from "./commands/history.ts";
import { newProject } from "./commands/new.ts";
import { pauses, resume } from "./commands/pauses.ts";
import { replay } from "./commands/replay.ts";
import { run } from "./commands/run.ts";
import { runsExport, runsList } from "./commands/runs.ts";
import { testFrom } from "./commands/test-from.ts";
import { toolsConnect } from "./commands/tools-connect.ts";
import { toolsList } from "./commands/tools.ts";
import { simulate } from "./commands/simulate.ts";

/** All commands, in the order of help. */
export const COMMANDS: readonly Command[] = [
  newProject,
  dev,
  run,
  check,
  draw,
  simulate,
  runsList,
  runsExport,
  runsShow,
  runsPrune,
  testFrom,
  toolsList,
  toolsConnect,
  history,
  replay,
  pauses,
  resume,
  clusterStatus,
  clusterDrain,
  clusterFailed,
  doctor,
  ...aboutCommands(() => COMMANDS),
];
