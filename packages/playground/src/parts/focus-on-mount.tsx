/** Gives an element the focus when it appears, as its `ref`: browsers heed `autofocus` only while the page loads. */
export function focusOnMount(element: HTMLElement | null): void {
  element?.focus();
}
