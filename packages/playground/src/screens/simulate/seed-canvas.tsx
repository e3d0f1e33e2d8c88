import { useEffect, useRef, useState } from "preact/hooks";
import { CELL, gridOf, placeAt, type Simulation } from "./simulation.ts";

interface SeedCanvasProps {
  readonly simulation: Simulation;
  readonly label: string;
  readonly onChoose: (seed: number) => void;
}

/** Classes of the colours, in the order of the values of {@link CELL}. */
const SEED_KEYS = ["waiting", "good", "failed", "faulty"] as const;

/** The seeds as a grid on one canvas: ten thousand elements would be too many. Failed ones have a cross, too. */
export function SeedCanvas({ simulation, label, onChoose }: SeedCanvasProps) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const { cells, first } = simulation;
  const grid = gridOf(cells.length, width);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || width === 0) return;
    const ratio = devicePixelRatio;
    element.width = width * ratio;
    element.height = grid.rows * grid.pitch * ratio;
    context.scale(ratio, ratio);
    // a canvas knows no light-dark(): elements of the same classes tell the colours of the theme
    const keys = [...(frame.current?.querySelectorAll(".seed-key") ?? [])].map((key) => getComputedStyle(key));
    const colours = keys.map(({ backgroundColor }) => backgroundColor);
    const side = grid.pitch - Math.max(1, Math.round(grid.pitch / 6));
    for (let place = 0; place < cells.length; place++) {
      const cell = cells[place] ?? CELL.waiting;
      const x = (place % grid.columns) * grid.pitch;
      const y = Math.floor(place / grid.columns) * grid.pitch;
      context.fillStyle = colours[cell] ?? "";
      context.fillRect(x, y, side, side);
      if (cell !== CELL.failed || side < 6) continue;
      context.strokeStyle = keys[0]?.color ?? "";
      context.lineWidth = Math.max(1.2, side / 8);
      const [start, end] = [side * 0.28, side * 0.72];
      context.beginPath();
      context.moveTo(x + start, y + start);
      context.lineTo(x + end, y + end);
      context.moveTo(x + end, y + start);
      context.lineTo(x + start, y + end);
      context.stroke();
    }
  }, [cells, width]);
  return (
    <div class="seed-frame" ref={frame}>
      {SEED_KEYS.map((key) => (
        <i key={key} class={`seed-key ${key}`} hidden />
      ))}
      <canvas
        class="seed-canvas"
        ref={canvas}
        role="img"
        aria-label={label}
        style={{ width: `${width}px`, height: `${grid.rows * grid.pitch}px` }}
        onClick={(event) => {
          const place = placeAt(grid, cells.length, event.offsetX, event.offsetY);
          if (place !== undefined) onChoose(first + place);
        }}
      />
    </div>
  );
}
