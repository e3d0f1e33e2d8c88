import { DotField } from "./dot-field.ts";
import type { DrawnEdge } from "./drawn-graph.ts";
import type { Viewport } from "./viewport.ts";

/** Radius of a dot, in units of the drawing. */
const RADIUS = 2.6;

/**
 * Draws dots on a canvas over the graph, for as long as some are under way. It draws none where the reader asks for
 * reduced motion.
 */
export class DotLayer {
  readonly #field: DotField;
  readonly #isReduced = matchMedia("(prefers-reduced-motion: reduce)");
  #context: CanvasRenderingContext2D | undefined;
  #view: Viewport = { scale: 1, x: 0, y: 0 };
  #colour = "";
  #frame: number | undefined;

  constructor(edges: readonly DrawnEdge[]) {
    this.#field = new DotField(edges);
  }

  /** Takes the canvas to draw on. @returns a function that gives it back */
  attach(canvas: HTMLCanvasElement): () => void {
    this.#context = canvas.getContext("2d") ?? undefined;
    return () => {
      if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
      this.#frame = undefined;
      this.#context = undefined;
      this.#field.clear();
    };
  }

  /** Sends a dot along an edge after some milliseconds. */
  send(edge: string, delayMs: number): void {
    if (this.#isReduced.matches || document.hidden || this.#context === undefined) return;
    this.#field.send(edge, performance.now() + delayMs);
    if (this.#frame !== undefined || this.#field.size === 0) return;
    this.#colour = getComputedStyle(this.#context.canvas).color;
    this.#frame = requestAnimationFrame(this.#draw);
  }

  /** Follows the drawing when it is moved or zoomed. */
  look(view: Viewport): void {
    this.#view = view;
  }

  readonly #draw = (now: number): void => {
    this.#frame = undefined;
    const context = this.#context;
    if (context === undefined) return;
    const ratio = devicePixelRatio;
    const { scale, x, y } = this.#view;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    const radius = Math.max(RADIUS, 1.7 / scale);
    // one path for all dots: a path for each costs more than all else
    context.beginPath();
    this.#field.at(now, (dotX, dotY) => {
      context.moveTo(dotX + radius, dotY);
      context.arc(dotX, dotY, radius, 0, 2 * Math.PI);
    });
    context.fillStyle = this.#colour;
    context.fill();
    if (this.#field.size > 0) this.#frame = requestAnimationFrame(this.#draw);
  };
}
