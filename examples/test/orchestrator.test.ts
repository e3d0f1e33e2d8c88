import { expect, test } from "vitest";
import { main, NoteError, type NoteResources, NoteTaker } from "../orchestrator/main.ts";
import { quietly } from "./quietly.ts";

const lines: string[] = [];
const write = (message: string) => void lines.push(message);
const logger = { debug: write, info: write, warn: write, error: write };

test("takes notes, falls back where it must, and refuses in its own words", async () => {
  const { notes, refusals } = await quietly(() => main(logger));
  expect(notes.map(({ slug, summary }) => [slug, summary])).toEqual([
    ["penguins-a-study", "Penguins swim well."],
    ["our-license", "MIT License Copyright (c) 2026 PenguiFlo …"],
    ["our-license", "MIT License Copyright (c) 2026 PenguiFlo …"],
  ]);
  const fallback = "Error: Cannot summarise the text: it has no sentence";
  expect(notes.map((note) => note.fallback)).toEqual([undefined, fallback, fallback]);
  expect(refusals).toEqual([
    `Cannot take the note "Our license": note "our-license" exists already`,
    expect.stringMatching(/^Cannot take the note "": .*payload\.title/),
  ]);
  expect(lines).toEqual([
    expect.stringMatching(/ notes store node_failed /),
    expect.stringMatching(/ notes normalise node_failed /),
  ]);
});

test("gives up with its caller instead of falling back", async () => {
  const notes: NoteResources["notes"] = new Map();
  const summarise = (_text: string, signal: AbortSignal) =>
    new Promise<string>((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
  await using taker = new NoteTaker({ summarise, notes }, logger);
  const left = new AbortController();
  const taken = taker.take({ title: "Slow", text: "Slow." }, "acme", left.signal);
  left.abort();
  await expect(taken).rejects.toThrow(NoteError);
  expect(notes.size).toBe(0);
});
