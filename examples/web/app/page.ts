// Runs the flow in a page: shows its stream as it arrives, and a button cancels it.
import { flowToMermaid } from "penguiflow";
import { createFlow, type Report } from "./flow.ts";

const form = document.querySelector<HTMLFormElement>("#form")!;
const text = document.querySelector<HTMLTextAreaElement>("#text")!;
const start = document.querySelector<HTMLButtonElement>("#start")!;
const cancel = document.querySelector<HTMLButtonElement>("#cancel")!;
const sentences = document.querySelector<HTMLOListElement>("#sentences")!;
const outcome = document.querySelector<HTMLElement>("#outcome")!;
const graph = document.querySelector<HTMLElement>("#graph")!;

const flow = createFlow();
flow.run();
graph.textContent = flowToMermaid(flow);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void read(text.value);
});

async function read(words: string): Promise<void> {
  const stopped = new AbortController();
  const abort = () => stopped.abort(new Error("the button was pressed"));
  cancel.addEventListener("click", abort);
  start.disabled = true;
  cancel.disabled = false;
  sentences.replaceChildren();
  show("running", "reading …");
  try {
    for await (const item of flow.stream({ text: words, pauseMs: 150 }, { signal: stopped.signal })) {
      if (item.type === "result") show("completed", describe(item.result));
      // the last chunk has no text: it marks the end
      else if (item.type === "chunk" && !item.chunk.done) sentences.append(line(item.chunk.text));
    }
  } catch (error) {
    if (stopped.signal.aborted) show("cancelled", String(stopped.signal.reason));
    else show("failed", String(error));
  } finally {
    cancel.removeEventListener("click", abort);
    start.disabled = false;
    cancel.disabled = true;
  }
}

function describe(report: Report): string {
  return `${report.sentences} sentences, ${report.words} words; the longest: ${report.longest}`;
}

function line(sentence: string): HTMLElement {
  const item = document.createElement("li");
  item.textContent = sentence;
  return item;
}

function show(status: string, words: string): void {
  outcome.dataset["status"] = status;
  outcome.textContent = `${status}: ${words} (traces now open: ${flow.stats().traces})`;
}
