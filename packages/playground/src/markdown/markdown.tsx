import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Fragment, type ComponentChildren } from "preact";
import { CopyButton } from "../parts/copy-button.tsx";
import type { Cell, Mark } from "./mark-tree.ts";

type Reader = (text: string) => readonly Mark[];

/** The reader of Markdown, once its code is loaded. */
const reader = signal<Reader | undefined>(undefined);
let isAsked = false;

/** Shows a Markdown text as elements, never as HTML. Plain text until the reader's code is there. */
export function Markdown({ text }: { readonly text: string }) {
  const read = reader.value;
  if (!isAsked) {
    isAsked = true;
    void loadReader().catch(() => (isAsked = false));
  }
  return useMemo(
    () => <div class="prose">{read === undefined ? <p class="plain">{text}</p> : read(text).map(show)}</div>,
    [text, read],
  );
}

async function loadReader(): Promise<void> {
  reader.value = (await import("./mark-tree.ts")).markTree;
}

function all(marks: readonly Mark[]): ComponentChildren {
  return marks.map(show);
}

function show(mark: Mark, key: number): ComponentChildren {
  switch (mark.type) {
    case "text":
      return mark.text;
    case "code":
      return <code key={key}>{mark.text}</code>;
    case "break":
      return <br key={key} />;
    case "rule":
      return <hr key={key} />;
    case "paragraph":
      return <p key={key}>{all(mark.inner)}</p>;
    case "strong":
      return <strong key={key}>{all(mark.inner)}</strong>;
    case "em":
      return <em key={key}>{all(mark.inner)}</em>;
    case "del":
      return <del key={key}>{all(mark.inner)}</del>;
    case "quote":
      return <blockquote key={key}>{all(mark.inner)}</blockquote>;
    case "heading":
      // below the heading of the screen and of the message
      return (
        <p key={key} class="prose-heading" role="heading" aria-level={Math.min(6, mark.level + 2)}>
          {all(mark.inner)}
        </p>
      );
    case "link":
      return (
        <a key={key} href={mark.href} target="_blank" rel="noreferrer noopener">
          {all(mark.inner)}
        </a>
      );
    case "block-code":
      return <CodeBlock key={key} text={mark.text} language={mark.language} />;
    case "list":
      return <MarkList key={key} list={mark} />;
    case "table":
      return (
        <div key={key} class="prose-table" tabIndex={0} role="region" aria-label="Table">
          <table>
            <thead>
              <tr>{mark.head.map((cell, index) => showCell(cell, index, "th"))}</tr>
            </thead>
            <tbody>
              {mark.rows.map((row, index) => (
                <tr key={index}>{row.map((cell, column) => showCell(cell, column, "td"))}</tr>
              ))}
            </tbody>
          </table>
        </div>
      );
  }
}

function showCell(cell: Cell, key: number, Tag: "td" | "th") {
  return (
    <Tag key={key} data-align={cell.align}>
      {all(cell.inner)}
    </Tag>
  );
}

function MarkList({ list }: { readonly list: Extract<Mark, { type: "list" }> }) {
  const items = list.items.map((item, index) => (
    <li key={index} class={item.isDone === undefined ? "" : "is-task"}>
      {item.isDone === undefined ? null : <Fragment>{item.isDone ? "☑ " : "☐ "}</Fragment>}
      {all(item.inner)}
    </li>
  ));
  return list.start === undefined ? <ul>{items}</ul> : <ol start={list.start}>{items}</ol>;
}

function CodeBlock({ text, language }: { readonly text: string; readonly language: string }) {
  return (
    <figure class="code-block">
      <figcaption>
        <span>{language === "" ? "text" : language}</span>
        <CopyButton text={text} />
      </figcaption>
      <pre tabIndex={0} aria-label={`Code${language === "" ? "" : ` in ${language}`}`}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
