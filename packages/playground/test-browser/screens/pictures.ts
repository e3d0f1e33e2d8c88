import type { Browser, Page } from "playwright-core";
import { palettePng } from "./palette-png.ts";

/** Side of the square blocks whose colours are compared, in pixels of a picture. */
const BLOCK = 20;
/** Difference of the mean colours of two blocks that counts, of 255: letters of another font give less. */
const DIFFERENCE = 8;

/** Code of the page: reads the pixels of a PNG. */
const READ = `const read = async (source) => {
  const bytes = Uint8Array.from(atob(source), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
};`;

/** Works on pictures in a page of its own: the browser reads PNG. */
export class Pictures implements AsyncDisposable {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(browser: Browser): Promise<Pictures> {
    return new Pictures(await browser.newPage());
  }

  /** Puts pictures side by side into a small file. */
  async join(pictures: readonly Buffer[]): Promise<Buffer> {
    const { width, height, data } = await this.#evaluate<{ width: number; height: number; data: string }>(
      pictures,
      `async (sources) => {
        ${READ}
        const all = await Promise.all(sources.map(read));
        const width = all.reduce((sum, one) => sum + one.width, 0);
        const height = Math.max(...all.map((one) => one.height));
        const context = new OffscreenCanvas(width, height).getContext("2d");
        all.reduce((left, one) => (context.putImageData(one, left, 0), left + one.width), 0);
        const { data } = context.getImageData(0, 0, width, height);
        let letters = "";
        for (const value of data) letters += String.fromCharCode(value);
        return { width, height, data: btoa(letters) };
      }`,
    );
    return palettePng({ width, height, data: Buffer.from(data, "base64") });
  }

  /**
   * Compares two pictures by the mean colours of their blocks.
   *
   * @returns the part of the blocks that differ, from 0 to 1; 1 for pictures of different size
   */
  async difference(one: Buffer, other: Buffer): Promise<number> {
    return await this.#evaluate<number>(
      [one, other],
      `async (sources) => {
        ${READ}
        const [a, b] = await Promise.all(sources.map(read));
        if (a.width !== b.width || a.height !== b.height) return 1;
        const mean = ({ data, width }, column, row, channel) => {
          let sum = 0;
          for (let y = row * ${BLOCK}; y < (row + 1) * ${BLOCK}; y += 1) {
            for (let x = column * ${BLOCK}; x < (column + 1) * ${BLOCK}; x += 1) sum += data[(y * width + x) * 4 + channel];
          }
          return sum / ${BLOCK * BLOCK};
        };
        const differs = (...place) => Math.abs(mean(a, ...place) - mean(b, ...place)) > ${DIFFERENCE};
        const [columns, rows] = [Math.floor(a.width / ${BLOCK}), Math.floor(a.height / ${BLOCK})];
        let count = 0;
        for (let row = 0; row < rows; row += 1) {
          for (let column = 0; column < columns; column += 1) {
            if ([0, 1, 2].some((channel) => differs(column, row, channel))) count += 1;
          }
        }
        return count / (rows * columns);
      }`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page.close();
  }

  /** Calls a function of the page with pictures as base64. */
  async #evaluate<Result>(pictures: readonly Buffer[], code: string): Promise<Result> {
    const sources = pictures.map((picture) => picture.toString("base64"));
    return await this.#page.evaluate<Result>(`(${code})(${JSON.stringify(sources)})`);
  }
}
