/** A key, or two one after the other, that does something while no text is typed. */
export interface KeyBinding {
  /** `"g c"`, `"/"`, `"Escape"`, `"mod+k"`; `mod` is ⌘ on a Mac and Ctrl elsewhere. */
  readonly keys: string;
  /** Text for the list of keys. */
  readonly label: string;
  /** Whether it works while text is typed, too. */
  readonly whileTyping?: true;
  /** @returns `false` when it does not apply, so that the browser and other bindings get the key */
  readonly run: () => void | false;
}

const bindings: KeyBinding[] = [];

/** Milliseconds in which the second key of a pair has to follow. */
const PAIR_MS = 1200;

/** Adds bindings; the newest of the same keys wins. @returns a function that removes them */
export function bindKeys(added: readonly KeyBinding[]): () => void {
  bindings.push(...added);
  return () => {
    for (const binding of added) bindings.splice(bindings.indexOf(binding), 1);
  };
}

/** Lists the bindings that apply now, each keys once. */
export function boundKeys(): readonly KeyBinding[] {
  return [...new Map(bindings.map((binding) => [binding.keys, binding])).values()];
}

/** A key as it is pressed. */
export interface Press {
  readonly key: string;
  readonly isMod: boolean;
  readonly isTyping: boolean;
  readonly at: number;
}

/** Decides which binding a key means. It remembers the first key of a pair. */
export class KeyReader {
  #first: { readonly key: string; readonly at: number } | undefined;

  /** Runs the binding of a press. @returns whether there was one */
  read(press: Press): boolean {
    const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
    const single = press.isMod ? `mod+${key}` : key;
    const first = this.#first;
    this.#first = undefined;
    const pair = first !== undefined && press.at - first.at <= PAIR_MS ? `${first.key} ${single}` : undefined;
    for (const wanted of [pair, single]) {
      for (const binding of bindings.toReversed()) {
        if (binding.keys !== wanted || (press.isTyping && binding.whileTyping !== true)) continue;
        if (binding.run() !== false) return true;
      }
    }
    if (!press.isTyping && bindings.some((binding) => binding.keys.startsWith(`${single} `))) {
      this.#first = { key: single, at: press.at };
    }
    return false;
  }
}

/** Gives the keys of the document to the bindings. */
export function listenToKeys(): void {
  const reader = new KeyReader();
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const isTyping = event.target instanceof HTMLElement && takesText(event.target);
    const press = { key: event.key, isMod: event.metaKey || event.ctrlKey, isTyping, at: event.timeStamp };
    if (reader.read(press)) event.preventDefault();
  });
}

function takesText(element: HTMLElement): boolean {
  if (element.isContentEditable) return true;
  if (element instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(element.type);
  return element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
}
