import { registerHooks } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Calls back with each file of a project that is imported, also with one that is missing. */
export function onImport(root: string, seen: (file: string) => void): void {
  registerHooks({
    resolve(specifier, context, next) {
      try {
        const resolved = next(specifier, context);
        tell(root, resolved.url, seen);
        return resolved;
      } catch (error) {
        // saving the missing file is what repairs it
        if (specifier.startsWith(".") && context.parentURL !== undefined)
          tell(root, new URL(specifier, context.parentURL).href, seen);
        throw error;
      }
    },
  });
}

function tell(root: string, url: string, seen: (file: string) => void): void {
  if (!url.startsWith("file:")) return;
  const file = fileURLToPath(url);
  const isOwn = file.startsWith(root + path.sep) && !file.includes(`${path.sep}node_modules${path.sep}`);
  if (isOwn) seen(file);
}
