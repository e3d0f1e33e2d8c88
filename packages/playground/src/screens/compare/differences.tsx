import type { ValueDiff } from "../../timeline/value-diff.ts";

/** Differences of two values, each with its path. */
export function Differences({
  diff,
  labels,
}: {
  readonly diff: ValueDiff;
  readonly labels: readonly [string, string];
}) {
  return (
    <table class="differences">
      <thead>
        <tr>
          <th scope="col">where</th>
          <th scope="col">{labels[0]}</th>
          <th scope="col">{labels[1]}</th>
        </tr>
      </thead>
      <tbody>
        {diff.differences.map((difference) => (
          <tr key={difference.path} data-kind={difference.kind}>
            <th scope="row">{difference.path === "" ? "all of it" : difference.path}</th>
            <td>{difference.kind === "added" ? "" : textOf(difference.before)}</td>
            <td>{difference.kind === "removed" ? "" : textOf(difference.after)}</td>
          </tr>
        ))}
      </tbody>
      {diff.more === 0 ? null : (
        <tfoot>
          <tr>
            <td colSpan={3}>{diff.more} more</td>
          </tr>
        </tfoot>
      )}
    </table>
  );
}

function textOf(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
