import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/**
 * Policies of the page. It loads and asks nothing but this server, runs no inline script or style, is framed by no
 * other page, and cannot turn a string into HTML: no code may make trusted types.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    ...["script-src", "style-src", "img-src", "font-src", "connect-src"].map((kind) => `${kind} 'self'`),
    ...["base-uri", "form-action", "frame-ancestors"].map((kind) => `${kind} 'none'`),
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  // asked for again each time, and answered by the tag: a new version is never mixed with an old one
  "cache-control": "no-cache",
};

interface PageFile {
  readonly type: string;
  readonly content: Buffer;
  readonly tag: string;
}

/** The files of the page, as they are in the package. They hold nothing of a memory: the page asks the API. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, PageFile>;

  /** Reads the files, once. @throws Error when the package lacks them */
  constructor() {
    const manifest = createRequire(import.meta.url).resolve("@penguiflow/memory-service/package.json");
    const folder = path.join(path.dirname(manifest), "page");
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && TYPES[path.extname(entry.name)] !== undefined);
    this.#files = new Map(
      files.map((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        const place = `/${path.relative(folder, file).replaceAll(path.sep, "/")}`;
        return [place === "/index.html" ? "/" : place, fileOf(file)];
      }),
    );
  }

  /** Answers a request for one of the files; returns whether it was one. */
  answer({ method, headers }: IncomingMessage, pathname: string, response: ServerResponse): boolean {
    const file = this.#files.get(pathname);
    if (file === undefined || (method !== "GET" && method !== "HEAD")) return false;
    const isKnown = headers["if-none-match"] === file.tag;
    response.writeHead(isKnown ? 304 : 200, {
      ...HEADERS,
      etag: file.tag,
      ...(!isKnown && { "content-type": file.type, "content-length": file.content.length }),
    });
    response.end(isKnown || method === "HEAD" ? undefined : file.content);
    return true;
  }
}

function fileOf(file: string): PageFile {
  const content = readFileSync(file);
  const tag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
  return { type: TYPES[path.extname(file)] ?? "", content, tag };
}
