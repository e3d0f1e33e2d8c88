import { afterEach, describe, expect, test } from "vitest";
import {
  allowTools,
  createPlanner,
  denyTools,
  type Policy,
  type PolicyCall,
  secretPatterns,
  shadow,
  type Verdict,
} from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, outputs, reads, running } from "./fixtures.ts";

const caller = { tenant: "acme", runId: "r" };

/** Masks a text as it stands at a place. */
async function masked(text: string, policy: Policy = secretPatterns(), at: "prompt" | "answer" = "prompt") {
  const verdict = await policy({ at, text, caller });
  return typeof verdict === "object" && "replace" in verdict ? verdict.replace : text;
}

const some = (count: number): string => "aB3".repeat(count).slice(0, count);
const look = (text: string) => ({ calls: [{ tool: "look", args: { text } }] });

function planner(policy: Policy | Policy[], script: Parameters<typeof scriptedModel>[0], run?: () => unknown) {
  const model = scriptedModel(script);
  const tools = [run === undefined ? reads("look") : reads("look", run), reads("find")];
  return { model, planner: running(createPlanner({ name: "p", model, tools, policy })) };
}

describe("secretPatterns", () => {
  // made of pieces: a scanner of repositories would take the whole for a real one
  const shapes: Readonly<Record<string, string>> = {
    "a key of OpenAI": `sk-${some(32)}`,
    "a token of GitHub": `ghp_${some(36)}`,
    "a fine-grained token of GitHub": `github_pat_${some(40)}`,
    "a token of GitLab": `glpat-${some(20)}`,
    "a token of npm": `npm_${some(36)}`,
    "a token of Slack": `xoxb-${some(24)}`,
    "a key of Stripe": `sk_live_${some(24)}`,
    "a key of Google": `AIza${some(35)}`,
    "a key of AWS": `AKIA${"A1B2".repeat(4)}`,
    "a JSON Web Token": `eyJ${some(20)}.eyJ${some(30)}.${some(40)}`,
    "a private key": `-----BEGIN RSA PRIVATE KEY-----\n${some(64)}\n\n${some(64)}\n-----END RSA PRIVATE KEY-----`,
    "a private key that was cut": `-----BEGIN PRIVATE KEY-----\n${some(64)}`,
  };

  test.for(Object.entries(shapes))("%s is masked, and the text around it stays", async ([, secret]) => {
    const isCut = secret.includes("BEGIN") && !secret.includes("END");
    const [before, after] = ["It is ", isCut ? "" : ", keep it."];
    expect(await masked(before + secret + after)).toBe(`${before}[secret]${after}`);
  });

  test("of a header and a URL the secret alone is masked", async () => {
    expect(await masked(`Authorization: Bearer ${some(24)}`)).toBe("Authorization: Bearer [secret]");
    expect(await masked("postgres://anna:tents@db.example/shop")).toBe("postgres://anna:[secret]@db.example/shop");
  });

  test.for([
    "The risk-based desk-top task-list is done.",
    "See https://docs.example/a/b?c=d and mail anna@docs.example.",
    "sk-short, ghp_short, a Bearer of news, AKIAlower",
    "550e8400-e29b-41d4-a716-446655440000 and 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
  ])("a harmless text is left as it is: %s", async (text) => {
    expect(await masked(text)).toBe(text);
  });

  test("own patterns are masked everywhere, whatever their flags; an empty match masks nothing", async () => {
    const policy = secretPatterns({ patterns: [/pf-\d+/iy, /x*/] });
    expect(await masked("PF-1, pf-22 and pf", policy)).toBe("[secret], [secret] and pf");
  });

  test("with `at`, texts of other places are left as they are", async () => {
    const policy = secretPatterns({ patterns: [/4711/], at: ["answer"] });
    expect(await masked("4711", policy)).toBe("4711");
    expect(await masked("4711", policy, "answer")).toBe("[secret]");
  });

  test("a long text without an end of its shapes takes no time", async () => {
    const started = performance.now();
    await masked("-----BEGIN PRIVATE KEY-----".repeat(700) + "://a:".repeat(4_000) + "eyJ".repeat(7_000));
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test("what is no pattern and what is no place is refused", () => {
    expect(() => secretPatterns({ patterns: ["4711" as never] })).toThrow('must be a list of RegExp: got "4711"');
    expect(() => secretPatterns({ at: ["call" as never] })).toThrow('prompt, result, answer: got "call"');
    expect(() => secretPatterns({ pattern: [] } as never)).toThrow("pattern");
  });

  test("neither the model, nor a reader, nor the steps get a secret of a prompt, a result, an error or an answer", async () => {
    const { planner: made, model } = planner(
      [secretPatterns({ patterns: [/canary-\w+/] }), secretPatterns({ patterns: [/parrot-\w+/] })],
      [look("a"), look("b"), "It was canary-1. Then parrot-2! Bye."],
      () => {
        if (model.count > 1) throw new Error("no entry for canary-3");
        return { key: "canary-4", other: "parrot-5" };
      },
    );
    const events = await all(made.stream("My key is canary-6, my bird parrot-7"));
    expect(JSON.stringify([events, model.calls])).not.toMatch(/canary|parrot/);
    const last = events.at(-1);
    if (last?.type !== "end") throw new TypeError(`Expected an end: got ${last?.type}`);
    expect(last.end).toMatchObject({ status: "completed", text: "It was [secret]. Then [secret]! Bye." });
    expect(outputs(last.end)).toEqual([
      { kind: "text", text: '{"key":"[secret]","other":"[secret]"}' },
      { kind: "error", code: "TOOL_FAILED", text: "no entry for [secret]" },
    ]);
  });
});

describe("allowTools and denyTools", () => {
  test("a tool that is not allowed is neither shown nor callable", async () => {
    const { planner: made, model } = planner(allowTools(["fin*"]), [look("a"), "Done"]);
    expect(outputs(await made.run("?"))).toMatchObject([{ code: "TOOL_UNKNOWN" }]);
    expect(model.calls[0]?.tools).toMatchObject([{ name: "find" }]);
  });

  test("names are whole, and a star stands for any characters", async () => {
    const verdict = async (policy: Policy, name: string): Promise<Verdict> => {
      const tool = { name, source: "", description: "", effects: "reads" as const };
      return await policy({ at: "call", tool, args: {}, caller, path: [] });
    };
    const allowed = allowTools(["search", "gh_get_*"]);
    const denied = denyTools(["search", "gh_get_*"]);
    for (const name of ["search", "gh_get_issue", "gh_get_"]) {
      expect(await verdict(allowed, name)).toBe("allow");
      expect(await verdict(denied, name)).toEqual({ deny: `the tool "${name}" is not allowed` });
    }
    for (const name of ["search_all", "research", "my_gh_get_issue", "gh_getissue"]) {
      expect(await verdict(denied, name)).toBe("allow");
      expect(await verdict(allowed, name)).toEqual({ deny: `the tool "${name}" is not allowed` });
    }
    expect(await verdict(allowTools([]), "search")).toEqual({ deny: 'the tool "search" is not allowed' });
  });

  test("a name that no tool can have is refused, and so is a text in place of a list", () => {
    expect(() => denyTools(["gh.get"])).toThrow('got "gh.get"');
    expect(() => allowTools("search" as never)).toThrow('must be a list: got "search"');
  });
});

describe("shadow", () => {
  const seen: [PolicyCall["at"], Verdict][] = [];
  afterEach(() => void seen.splice(0));
  const note = (verdict: Verdict, { at }: PolicyCall): void => void seen.push([at, verdict]);

  test("it reports what the policy would have decided, and changes nothing", async () => {
    const policy: Policy = ({ at }) => {
      if (at === "call") return { deny: "no" };
      if (at === "result") throw new Error("broken");
      return at === "answer" ? { replace: "…" } : "allow";
    };
    const { planner: made } = planner(shadow(policy, note), [look("a"), "Done"]);
    const end = await made.run("?");
    expect(end).toMatchObject({ status: "completed", text: "Done" });
    expect(outputs(end)).toEqual([{ kind: "text", text: "look: a" }]);
    expect(seen.filter(([at]) => at !== "list")).toEqual([
      ["prompt", "allow"],
      ["call", { deny: "no" }],
      ["result", { deny: "a policy failed" }],
      ["answer", { replace: "…" }],
    ]);
  });

  test("an observer that fails changes nothing", async () => {
    const fails = shadow(denyTools(["*"]), () => {
      throw new Error("full");
    });
    expect(await planner(fails, ["Done"]).planner.run("?")).toMatchObject({ status: "completed", text: "Done" });
  });
});
