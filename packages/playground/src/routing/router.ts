import { computed, signal, type ReadonlySignal } from "@preact/signals";

const current = signal(new URL(location.href));

/** Path of the screen that is shown. A screen that reads only this is not rendered again when its query changes. */
export const pathname: ReadonlySignal<string> = computed(() => current.value.pathname);

/** Query of its address. */
export const query: ReadonlySignal<URLSearchParams> = computed(() => current.value.searchParams);

/** Shows another screen; `replace` leaves no entry in the history. */
export function go(href: string, options: { readonly replace?: boolean } = {}): void {
  const target = new URL(href, current.value);
  if (target.href === current.value.href) return;
  if (options.replace === true) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  current.value = target;
}

/** Changes parameters of the query in place; `undefined` and "" remove one. */
export function setQuery(
  change: Readonly<Record<string, string | undefined>>,
  options?: { readonly replace?: boolean },
): void {
  const target = new URL(current.value);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined || value === "") target.searchParams.delete(name);
    else target.searchParams.set(name, value);
  }
  go(target.href, options ?? { replace: true });
}

/** Follows the browser's buttons, and links inside of the page. */
export function listen(): void {
  addEventListener("popstate", () => {
    current.value = new URL(location.href);
  });
  document.addEventListener("click", (event) => {
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!isPlain || event.defaultPrevented || !(event.target instanceof Element)) return;
    const link = event.target.closest("a");
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/") || link.getAttribute("href")?.startsWith("#") === true) return;
    event.preventDefault();
    go(link.href);
  });
}
