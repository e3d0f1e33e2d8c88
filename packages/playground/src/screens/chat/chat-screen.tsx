import { Empty } from "../../parts/empty.tsx";
import { Header } from "../../parts/header.tsx";
import type { ScreenProps } from "../registry.ts";

export function Screen(_props: ScreenProps) {
  return (
    <>
      <Header title="Chat" />
      <Empty icon="chat" title="Ask something" text="The run is shown beside the answer." />
    </>
  );
}
