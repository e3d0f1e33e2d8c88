// A service around a flow: one class starts it once, answers many requests, translates results and errors into the
// service's own terms, and stops it. The payload changes from stage to stage; when the better way fails, a simpler one
// takes over and says so.
//
//   npm run example examples/orchestrator/main.ts
import { readFile } from "node:fs/promises";
import { type Context, create, defaultLogger, FlowError, type Logger, formatFlowEvent, payloadNode } from "penguiflow";
import { z } from "zod";

const Request = z.object({ title: z.string().min(1), text: z.string().min(1) });
const Normalised = Request.extend({ slug: z.string().regex(/^[\p{L}\d]+(-[\p{L}\d]+)*$/u) });
const Summarised = Normalised.extend({ summary: z.string(), fallback: z.string().optional() });
const Stored = z.object({ slug: z.string(), summary: z.string(), fallback: z.string().optional() });
type Stored = z.infer<typeof Stored>;

/** Resources of the nodes, created by the service or by its tests. */
export interface NoteResources {
  readonly summarise: (text: string, signal: AbortSignal) => Promise<string>;
  readonly notes: Map<string, Stored>;
}

const normalise = payloadNode({ name: "normalise", input: Request, output: Normalised }, ({ title, text }) => {
  const slug = title
    .toLowerCase()
    .split(/[^\p{L}\d]+/u)
    .filter(Boolean)
    .join("-");
  return { title: title.trim(), text, slug };
});

const summarise = payloadNode(
  { name: "summarise", input: Normalised, output: Summarised, policy: { timeoutMs: 5_000, concurrency: 8 } },
  async (note, ctx: Context<NoteResources>) => {
    try {
      return { ...note, summary: await ctx.resources.summarise(note.text, ctx.signal) };
    } catch (error) {
      ctx.signal.throwIfAborted(); // a stopped request stays stopped: the fallback is for failures only
      return {
        ...note,
        summary: `${note.text.replaceAll(/\s+/g, " ").slice(0, 40).trim()} …`,
        fallback: String(error),
      };
    }
  },
);

const store = payloadNode(
  { name: "store", input: Summarised, output: Stored },
  ({ slug, summary, fallback }, ctx: Context<NoteResources>) => {
    const key = `${ctx.tenant}/${slug}`;
    if (ctx.resources.notes.has(key)) throw new RangeError(`note "${slug}" exists already`);
    const stored: Stored = { slug, summary, fallback };
    ctx.resources.notes.set(key, stored);
    return stored;
  },
);

export function createFlow() {
  return create(normalise.to(summarise), summarise.to(store), { name: "notes" });
}

/** Error that callers of the service catch; `cause` has the runtime's error. */
export class NoteError extends Error {
  override readonly name = "NoteError";
}

/** Takes notes. Starts its flow on construction; a test passes other resources. */
export class NoteTaker implements AsyncDisposable {
  readonly #flow = createFlow();

  constructor(resources: NoteResources, logger: Logger) {
    // added before `run`, which fixes the list
    this.#flow.addMiddleware((event) => {
      if (event.type === "node_failed") logger.warn(formatFlowEvent(event));
    });
    this.#flow.run({ resources });
  }

  /** @throws NoteError */
  async take(note: z.input<typeof Request>, tenant: string, signal?: AbortSignal): Promise<Stored> {
    try {
      return await this.#flow.call(note, { tenant, signal, timeoutMs: 10_000 });
    } catch (error) {
      const cause = error instanceof FlowError ? error.unwrap() : error;
      throw new NoteError(`Cannot take the note "${note.title}": ${(cause as Error).message}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flow.stop({ drainMs: 5_000 });
  }
}

/** Finds the first sentence. */
async function firstSentence(text: string): Promise<string> {
  const [, sentence] = /^([A-Z][^.\n]+\.)\s/.exec(text) ?? [];
  if (sentence === undefined) throw new Error("Cannot summarise the text: it has no sentence");
  return sentence;
}

export async function main(logger: Logger = defaultLogger) {
  const license = await readFile(new URL("../../LICENSE", import.meta.url), "utf8");
  await using taker = new NoteTaker({ summarise: firstSentence, notes: new Map() }, logger);

  const notes = [
    await taker.take({ title: "Penguins: a study", text: "Penguins swim well. They cannot fly." }, "acme"),
    await taker.take({ title: "Our license", text: license }, "acme"),
    await taker.take({ title: "Our license", text: license }, "other"),
  ];
  for (const { slug, summary, fallback } of notes)
    console.log(`${slug}: ${summary}${fallback ? ` (${fallback})` : ""}`);

  const refusals: string[] = [];
  for (const title of ["Our license", ""]) {
    await taker.take({ title, text: "Again." }, "acme").catch((error: unknown) => {
      if (!(error instanceof NoteError)) throw error;
      console.log(error.message);
      refusals.push(error.message);
    });
  }
  return { notes, refusals };
}

if (import.meta.main) await main();
