import type { ApiDocument, Server } from "./document.ts";
import type { FoundOperation } from "./operations.ts";

/**
 * Returns the URL below which an operation is served: the program's, or else that of the operation, its path or the
 * document.
 *
 * @throws TypeError when there is none over HTTP
 */
export function serverOf(
  document: ApiDocument,
  { place, item, operation }: FoundOperation,
  { server, base }: { readonly server: string | undefined; readonly base: string | undefined },
): string {
  const [first] = operation.servers ?? item.servers ?? document.servers ?? [];
  const url = URL.parse(server ?? (first === undefined ? "/" : filled(first)), base);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  throw new TypeError(`Cannot find the server of ${place}: the document names no HTTP URL; give one as "server"`);
}

function filled({ url, variables = {} }: Server): string {
  return url.replace(/\{([^}]+)\}/g, (whole, name: string) => variables[name]?.default ?? whole);
}
