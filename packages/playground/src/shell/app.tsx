import { pathname, go } from "../routing/router.ts";
import { useKeys } from "../routing/use-keys.tsx";
import { rail, screenOf } from "../screens/registry.ts";
import { connection } from "../store/project.ts";
import { KeyList } from "./key-list.tsx";
import { OverlayPanel } from "./overlay.tsx";
import { Palette } from "./palette.tsx";
import { isHelpShown, isPaletteShown } from "./palette-state.ts";
import { Rail } from "./rail.tsx";
import { ScreenHost } from "./screen-host.tsx";
import { SignedOut } from "./signed-out.tsx";

/** The whole page. */
export function App() {
  useKeys([
    { keys: "mod+k", label: "Go to anything", whileTyping: true, run: () => void (isPaletteShown.value = true) },
    { keys: "?", label: "List of keys", run: () => void (isHelpShown.value = true) },
    ...rail.flatMap(({ key, label, href }) =>
      key === undefined ? [] : [{ keys: `g ${key}`, label: `Go to ${label}`, run: () => go(href) }],
    ),
  ]);
  return (
    <div class="app">
      <a class="skip" href="#main">
        Skip to the screen
      </a>
      <Rail section={screenOf(pathname.value)?.entry.section} />
      <main id="main" class="main" tabIndex={-1}>
        {connection.value === "refused" ? <SignedOut /> : <ScreenHost />}
      </main>
      <OverlayPanel />
      <Palette />
      <KeyList />
    </div>
  );
}
