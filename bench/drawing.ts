// Draws the figures as one picture: a column per workload, a row per subject, a dot for its share of the floor.
import { development, type Workload } from "./contract.ts";
import { timesBetter, type Row } from "./report.ts";

const [left, top, columnWidth, rowHeight, padding] = [132, 86, 148, 30, 14];
const labelRoom = 46;

const style = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #3d4551; }
    .title { font-size: 16px; font-weight: 600; fill: #14181f; }
    .head { font-weight: 600; fill: #14181f; }
    .small { font-size: 11px; fill: #6b7482; }
    .ours { font-weight: 600; fill: #0b62c4; }
    .paper { fill: #ffffff; }
    .band { fill: #f1f5fb; }
    .rule { stroke: #d7dce3; stroke-width: 1; }
    .track { stroke: #e6e9ee; stroke-width: 1; }
    .stem { stroke: #aab3c0; stroke-width: 2; }
    .dot { fill: #8a94a3; }
    .stem.ours { stroke: #0b62c4; }
    .dot.ours { fill: #0b62c4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #b6bfcc; }
      .title, .head { fill: #f0f3f7; }
      .small { fill: #8b95a4; }
      .ours { fill: #6db3ff; }
      .paper { fill: #0f141b; }
      .band { fill: #18202b; }
      .rule { stroke: #333d4b; }
      .track { stroke: #232c38; }
      .stem { stroke: #566173; }
      .dot { fill: #8a96a8; }
      .stem.ours { stroke: #6db3ff; }
      .dot.ours { fill: #6db3ff; }
    }`;

const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;

/** Selects the workloads that measure a rate and include every subject: the others have no share of a floor. */
function drawn(rows: readonly Row[]): readonly Workload[] {
  const names = ["linear-10", "concurrent-1000", "validated-10", "fan-out-8", "loop-100", "streams-50"];
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  return names.flatMap((name) => workloads.filter((workload) => workload.name === name));
}

/** Draws each subject's share of the bare chain, on one logarithmic scale. Follows the reader's light or dark scheme. */
export function draw(rows: readonly Row[]): string {
  const workloads = drawn(rows);
  const shareOf = (subject: string, workload: Workload) => {
    const find = (name: string) => rows.find((row) => row.workload === workload && row.subject === name);
    return timesBetter(find(subject), find("floor"), workload.figures[0]);
  };
  const names = [...new Set(rows.map(({ subject }) => subject))].filter(
    (name) => name !== "floor" && name !== development,
  );
  const lines = names
    .map((name) => ({ name, shares: workloads.map((workload) => shareOf(name, workload)) }))
    .filter(({ shares }) => shares.filter((share) => share !== undefined).length > workloads.length / 3)
    .toSorted((a, b) => (b.shares[0] ?? 0) - (a.shares[0] ?? 0));
  const known = lines.flatMap(({ shares }) => shares.filter((share) => share !== undefined));
  const lowest = Math.floor(Math.log10(Math.min(...known)));
  const span = columnWidth - 2 * padding - labelRoom;
  const x = (column: number, share: number) =>
    left + column * columnWidth + padding + (Math.min(0, Math.log10(share)) / -lowest + 1) * span;

  const width = left + workloads.length * columnWidth + padding;
  const height = top + lines.length * rowHeight + 40;
  const bottom = top + lines.length * rowHeight;
  const marks: string[] = [];
  for (const [column, workload] of workloads.entries()) {
    const start = left + column * columnWidth + padding;
    marks.push(`<text class="head" x="${start}" y="${top - 28}">${workload.name}</text>`);
    for (let power = lowest; power <= 0; power += 1) {
      const at = x(column, 10 ** power).toFixed(1);
      marks.push(`<line class="track" x1="${at}" y1="${top - 6}" x2="${at}" y2="${bottom}"/>`);
    }
    marks.push(`<text class="small" x="${start}" y="${top - 12}">${percent(10 ** lowest)}</text>`);
    marks.push(`<text class="small" x="${x(column, 1)}" y="${top - 12}" text-anchor="middle">100 %</text>`);
  }
  for (const [index, { name, shares }] of lines.entries()) {
    const y = top + index * rowHeight + rowHeight / 2;
    const ours = name === "penguiflow" ? " ours" : "";
    if (ours !== "")
      marks.unshift(`<rect class="band" x="0" y="${y - rowHeight / 2}" width="${width}" height="${rowHeight}"/>`);
    marks.push(`<text class="${ours.trim()}" x="${padding}" y="${y + 4}">${name}</text>`);
    for (const [column, share] of shares.entries()) {
      const start = left + column * columnWidth + padding;
      if (share === undefined) {
        marks.push(`<text class="small" x="${start}" y="${y + 4}">–</text>`);
        continue;
      }
      const end = x(column, share);
      marks.push(`<line class="stem${ours}" x1="${start}" y1="${y}" x2="${end.toFixed(1)}" y2="${y}"/>`);
      marks.push(`<circle class="dot${ours}" cx="${end.toFixed(1)}" cy="${y}" r="${ours === "" ? 4 : 5}"/>`);
      marks.push(`<text class="small${ours}" x="${(end + 9).toFixed(1)}" y="${y + 4}">${percent(share)}</text>`);
    }
  }
  const title = "Speed as a share of the bare async chain";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
  <style>${style}
  </style>
  <rect class="paper" width="${width}" height="${height}" rx="8"/>
  ${marks.filter((mark) => mark.startsWith("<rect")).join("\n  ")}
  <text class="title" x="${padding}" y="28">${title}</text>
  <line class="rule" x1="${padding}" y1="${bottom}" x2="${width - padding}" y2="${bottom}"/>
  ${marks.filter((mark) => !mark.startsWith("<rect")).join("\n  ")}
  <text class="small" x="${padding}" y="${bottom + 24}">Further right is faster; each line is a factor of ten. – cannot do this work. Streams: share of an async generator.</text>
</svg>
`;
}
