import { useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { Empty } from "../parts/empty.tsx";
import { Header } from "../parts/header.tsx";
import { Problem } from "../parts/problem.tsx";
import { pathname } from "../routing/router.ts";
import { screenOf, type ScreenEntry, type ScreenProps } from "../screens/registry.ts";
import { project } from "../store/project.ts";

const loaded = new Map<ScreenEntry["load"], ComponentType<ScreenProps>>();

/** Shows the screen of the address; its code is loaded first when it has not been yet. */
export function ScreenHost() {
  const boundary = useErrorBoundary();
  const error: unknown = boundary[0];
  const reset = boundary[1];
  const version = useSignal(0);
  const failure = useSignal<unknown>(undefined);
  const found = screenOf(pathname.value);
  useSignalEffect(() => {
    document.title = `${screenOf(pathname.value)?.entry.title ?? "Not found"} · ${project.value?.name ?? "PenguiFlow"}`;
  });
  useEffect(() => {
    async function load(entry: ScreenEntry): Promise<void> {
      const module = await entry.load();
      loaded.set(entry.load, module.Screen);
      version.value += 1;
    }
    failure.value = undefined;
    if (found === undefined || loaded.has(found.entry.load)) return;
    void load(found.entry).catch((cause: unknown) => {
      failure.value = cause;
    });
  }, [found?.entry]);
  useEffect(() => reset(), [pathname.value]);

  if (error !== undefined) {
    return <Broken title={found?.entry.title ?? "Not found"} error={error} again={reset} />;
  }
  if (found === undefined) {
    return (
      <>
        <Header title="Not found" />
        <Empty
          icon="search"
          title="There is no such page"
          text="Its address may have been mistyped, or cut."
          links={[
            ["/", "Chat"],
            ["/runs", "Runs"],
            ["/flows", "Flows"],
          ]}
        />
      </>
    );
  }
  if (failure.value !== undefined) {
    return <Broken title={found.entry.title} error={failure.value} again={() => location.reload()} />;
  }
  const Screen = version.value >= 0 ? loaded.get(found.entry.load) : undefined;
  return Screen === undefined ? <Header title={found.entry.title} /> : <Screen params={found.params} />;
}

function Broken(props: { readonly title: string; readonly error: unknown; readonly again: () => void }) {
  return (
    <>
      <Header title={props.title} />
      <div class="page">
        <Problem error={props.error} again={props.again} />
      </div>
    </>
  );
}
