import { answer, toolCalls } from "../agent-model.ts";
import { agentLibraries, type Workload } from "../contract.ts";
import { measureProcessor, type RequestRig, type Tally } from "../drive.ts";

/** An agent with one tool, which its model calls ten times before it answers. The tool adds one to `tally.hops`. */
export interface AgentSetup {
  readonly tally: Tally;
  /** Time of a model call. */
  readonly delayMs: number;
  /** Whether the answer's text is read piece by piece. */
  readonly streamed: boolean;
}

/** Rig that answers with the text of the model's last call; a streamed one with all its pieces joined. */
export type AgentRig = RequestRig<string>;

const figures = [
  { name: "CPU µs/run", better: "less" },
  { name: "runs/s", better: "more" },
] as const;

const times = (subject: string, times: number) => ({ than: [subject], atLeast: times });

function agent(
  name: string,
  title: string,
  { window = 1, delayMs = 0, streamed = false },
  rest: Pick<Workload, "bars" | "subjects">,
): Workload<AgentSetup, AgentRig> {
  const setup: AgentSetup = { tally: { hops: 0 }, delayMs, streamed };
  return {
    name,
    family: "agent",
    title,
    figures,
    setup,
    ...rest,
    measure: (rig, timing) =>
      measureProcessor(
        rig,
        { window, hopsPerRequest: toolCalls, tally: setup.tally, isRight: (text) => text === answer },
        timing,
      ),
  };
}

const all = ["penguiflow", "sqlite-normal", ...agentLibraries];

export const workloads: readonly Workload<AgentSetup, AgentRig>[] = [
  agent(
    "agent-10",
    "an agent: ten tool calls and an answer, from a model that answers at once",
    {},
    {
      subjects: all,
      bars: [
        times("ai-sdk", 5),
        times("openai-agents", 15),
        times("langgraph", 30),
        times("mastra", 50),
        { of: "sqlite-normal", ...times("ai-sdk", 1) },
      ],
    },
  ),
  agent(
    "agent-10-streamed",
    "the same, its text read piece by piece",
    { streamed: true },
    { subjects: ["penguiflow", ...agentLibraries], bars: [times("ai-sdk", 15)] },
  ),
  agent("agent-10-at-once", "the same, 50 runs at a time", { window: 50 }, { subjects: all, bars: [] }),
  agent(
    "agent-1000-waiting",
    "the same, 1,000 runs at a time, and each model call takes 30 ms: at best 330 ms",
    { window: 1_000, delayMs: 30 },
    { subjects: ["penguiflow", "ai-sdk"], bars: [{ figure: "runs/s", atLeast: 1_000 / 0.33 / 1.3 }] },
  ),
];
