import { createReadStream, existsSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { SAFE_HEADERS } from "./reply.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** Files whose format is compressed already. */
const COMPRESSED = new Set([".png", ".woff2"]);

/**
 * Sends a file of the pages; for every other path, the page itself, which reads the path. Text is sent with gzip where the
 * client accepts that.
 */
export async function sendPage(
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  folder: string,
  url: string,
): Promise<void> {
  const file = fileOf(folder, url);
  if (!existsSync(file) || (file.endsWith("index.html") && url.startsWith("/assets/"))) {
    response.writeHead(404, { ...SAFE_HEADERS, "content-type": "text/plain" });
    response.end(existsSync(file) ? "" : "The pages are not built: npm run build\n");
    return;
  }
  const kind = path.extname(file);
  const isHashed = path.relative(folder, file).startsWith(`assets${path.sep}`);
  const isZipped = !COMPRESSED.has(kind) && acceptsGzip(headers["accept-encoding"]);
  response.writeHead(200, {
    ...SAFE_HEADERS,
    "content-type": TYPES[kind] ?? "application/octet-stream",
    "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    ...(isZipped ? { "content-encoding": "gzip" } : { "content-length": statSync(file).size }),
  });
  if (method === "HEAD") {
    response.end();
    return;
  }
  const content = createReadStream(file);
  const sent = isZipped ? pipeline(content, createGzip(), response) : pipeline(content, response);
  await sent.catch(() => response.destroy());
}

/** Whether a client accepts gzip: it names it without the weight 0. */
function acceptsGzip(encodings: string | string[] | undefined): boolean {
  return /(^|,)\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))|,|$)/i.test(String(encodings ?? ""));
}

/** Returns the file that a path names; never one outside of the folder. */
function fileOf(folder: string, url: string): string {
  const page = path.join(folder, "index.html");
  let name;
  try {
    name = decodeURIComponent(url);
  } catch {
    return page;
  }
  if (name.includes("\0") || name.includes("\\")) return page;
  const file = path.join(folder, path.posix.normalize(`/${name}`));
  return file.startsWith(folder + path.sep) && existsSync(file) && statSync(file).isFile() ? file : page;
}
