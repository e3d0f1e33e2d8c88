import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { createPlanner, NothingDone, type Question, tool, toolsFrom } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { type CheckpointStore, MemoryArtifactStore, MemoryCheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { z } from "zod";
import { all } from "./fixtures.ts";
import { WatchedCheckpoints } from "./watched-checkpoints.ts";

const folder = mkdtempSync(join(tmpdir(), "planner-secrets-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CREDENTIAL = "canary-credential-4711";
const RESOURCE = "canary-resource-4712";
const REFUSAL = "canary-refusal-4713";
const who = { tenant: "default", by: "ada", user: "ada" };

interface Resources {
  readonly key: string;
}

/** Text of anything, with what errors do not enumerate. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each instanceof Error
      ? Object.assign({}, each, { name: each.name, message: each.message, stack: each.stack, cause: each.cause })
      : each,
  );
}

/** Tools that tell the secret of their credential in every way. */
function leaky() {
  const common = { description: "Leaks", input: z.object({}) };
  const secretOf = ({ credential }: { credential: unknown }) => (credential as { bearer: string }).bearer;
  const fussy = z
    .unknown()
    .superRefine((value, ctx) => ctx.addIssue({ code: "custom", message: `not ${String(value)}` }));
  return toolsFrom("leaky", [
    tool({
      ...common,
      name: "tell",
      effects: "reads",
      run: (_, ctx) => ({ deep: [secretOf(ctx)], [secretOf(ctx)]: 1 }),
    }),
    tool({
      ...common,
      name: "throw",
      effects: "reads",
      maxRetries: 1,
      run: (_, ctx) => {
        throw Object.assign(new Error(`bad key ${secretOf(ctx)}`, { cause: secretOf(ctx) }), { retryAfterMs: 1 });
      },
    }),
    tool({ ...common, name: "unfit", effects: "reads", output: fussy, run: (_, ctx) => secretOf(ctx) }),
    tool({
      ...common,
      name: "progress",
      effects: "reads",
      run: async (_, ctx) => {
        await ctx.progress({ with: secretOf(ctx) });
        return "told";
      },
    }),
    tool({
      ...common,
      name: "write",
      effects: "writes",
      maxResultChars: 30,
      run: (_, ctx) => `${secretOf(ctx)} `.repeat(9),
    }),
    tool({
      ...common,
      name: "refused",
      effects: "writes",
      maxRetries: 1,
      run: (_, ctx) => {
        throw new NothingDone(`bad key ${secretOf(ctx)}`);
      },
    }),
    tool({
      ...common,
      name: "ask",
      effects: "writes",
      run: async (_, ctx) => {
        const payload = { key: secretOf(ctx) };
        return await ctx.ask({ reason: `Is ${secretOf(ctx)} right?`, payload, schema: z.string() });
      },
    }),
    tool<"look", typeof common.input, string, Resources>({
      ...common,
      name: "look",
      effects: "reads",
      run: (_, { resources }) => `with a key of ${resources.key.length}`,
    }),
  ]);
}

test.each(["memory", "SQLite"] as const)(
  "case 50: secrets are in no checkpoint, log, event, chunk, error, question or prompt, with a store in %s",
  async (kind) => {
    const file = join(folder, "secrets.db");
    await using sqlite = kind === "SQLite" ? await SqliteCheckpointStore.open({ file }) : undefined;
    const seen: string[] = [];
    const store: CheckpointStore = new WatchedCheckpoints(sqlite ?? new MemoryCheckpointStore(), (batch) => {
      seen.push(`stored: ${textOf(batch)}`);
    });
    const note = (what: string) => (message: string, fields?: unknown) =>
      void seen.push(`${what}: ${message} ${textOf(fields)}`);
    const names = ["tell", "throw", "unfit", "progress", "write", "refused", "ask", "look"];
    const calls = names.map((name) => ({ tool: `leaky_${name}` }));
    const model = scriptedModel(({ prompt }) => {
      seen.push(`prompt: ${textOf(prompt)}`);
      const turns = prompt.filter(({ role }) => role === "assistant").length;
      return turns === 0
        ? { calls }
        : turns === 1
          ? { calls: [{ tool: "locked_tell" }, { tool: "closed_tell" }] }
          : "Done";
    });
    const artifacts = new MemoryArtifactStore();
    const planner = createPlanner({
      name: "p",
      model,
      tools: [
        leaky(),
        toolsFrom("locked", leaky().tools ?? []),
        toolsFrom("closed", leaky().tools ?? [], {
          signsIn: "user",
          signIn: async () => {
            throw new Error(`the server refuses ${REFUSAL}`);
          },
        }),
      ],
      credentials: (_, source) => {
        if (source === "locked") throw new Error(`cannot refresh ${REFUSAL}`);
        const ring: { bearer: string; self?: unknown } = { bearer: CREDENTIAL };
        // such as a client of an SDK
        ring.self = ring;
        return source === "closed" ? undefined : ring;
      },
      artifacts: {
        put: async (tenant, artifact) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          return await artifacts.put(tenant, artifact);
        },
        get: async (tenant, id) => await artifacts.get(tenant, id),
      } as typeof artifacts,
      flow: {
        durability: durable({ checkpoints: store }),
        middlewares: [(event) => void seen.push(`event: ${textOf(event)}`)],
        logger: { debug: note("log"), info: note("log"), warn: note("log"), error: note("log") },
      },
    });
    planner.flow.run({ resources: { key: RESOURCE } });
    const told = await all(planner.stream("?", { runId: "r", user: "ada" }));
    const paused = told.at(-1);
    const [question] = paused?.type === "paused" ? paused.questions : [];
    const end = await planner.resume((question as Question).token, { value: "yes" }, who);
    seen.push(
      `told: ${textOf([told, end, question])}`,
      `trajectory: ${textOf(await all(planner.trajectory("r", "default")))}`,
    );
    await planner.flow.stop();
    for (const secret of [CREDENTIAL, RESOURCE, REFUSAL]) {
      const leaks = seen.filter((text) => text.includes(secret));
      expect(
        leaks.map((text) => text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 60)),
      ).toEqual([]);
    }
    for (const name of kind === "SQLite" ? readdirSync(folder) : [])
      expect(readFileSync(join(folder, name), "latin1"), name).not.toContain("canary");
    expect(end).toMatchObject({ status: "completed", output: "Done" });
    expect(end.steps.flatMap((step) => step.calls.map(({ tool: name, output }) => [name, output]))).toMatchObject([
      ["leaky_tell", { value: { deep: ["[secret]"] } }],
      ["leaky_throw", { code: "TOOL_FAILED", text: "bad key [secret]" }],
      ["leaky_unfit", { code: "OUTPUT_INVALID", text: expect.stringContaining("not [secret]") as string }],
      ["leaky_progress", { text: "told" }],
      ["leaky_write", { text: expect.stringContaining("[secret]") as string }],
      ["leaky_refused", { code: "TOOL_FAILED", text: "bad key [secret]" }],
      ["leaky_ask", { text: "yes" }],
      ["leaky_look", { text: `with a key of ${RESOURCE.length}` }],
      ["locked_tell", { code: "TOOL_FAILED" }],
      ["closed_tell", { code: "SIGN_IN_FAILED" }],
    ]);
  },
);
