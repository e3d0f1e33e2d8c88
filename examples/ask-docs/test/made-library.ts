import { Library } from "../src/library.ts";
import { splitDocument } from "../src/split-document.ts";
import { tokenisePassage } from "../src/tokenise.ts";

/** Creates a library of these documents, without a flow. */
export function makeLibrary(documents: Readonly<Record<string, string>>): Library {
  const library = new Library();
  for (const [file, text] of Object.entries(documents)) library.add(splitDocument(file, text).map(tokenisePassage));
  return library;
}

/** Documents about birds, with rare words and common ones. */
export const BIRDS = {
  "penguins.md": `# Penguins

Penguins are birds that swim. A penguin cannot fly.

## Food

Penguins eat fish and krill. The krill is caught near the ice.`,
  "gulls.md": `# Gulls

Gulls are birds that fly. Gulls eat anything.`,
  "owls.md": `# Owls

Owls are birds that fly at night. What do owls eat? They eat mice.`,
  "notes/swifts.md": `# Swifts

Swifts are birds that hardly ever land.`,
};
