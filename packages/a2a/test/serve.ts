import {
  type A2AApp,
  type A2AAppOptions,
  A2AServerAdapter,
  type A2AServerOptions,
  createA2AApp,
  type ServedFlow,
} from "@penguiflow/a2a/server";
import { onTestFinished } from "vitest";

/** Serves flows on loopback, over all bindings, until the test is over. */
export async function serve(
  flows: ServedFlow | Readonly<Record<string, ServedFlow>>,
  options: Partial<A2AServerOptions> & { readonly app?: A2AAppOptions } = {},
): Promise<{ readonly app: A2AApp; readonly adapter: A2AServerAdapter; readonly url: string }> {
  const { app: appOptions, ...rest } = options;
  const ids = typeof flows.stream === "function" ? ["main"] : Object.keys(flows);
  const skills = ids.map((id) => ({ id, description: `Does ${id}` }));
  const card = { name: "tested", description: "An agent for tests", version: "1.0.0", skills };
  const adapter = new A2AServerAdapter(flows, { card, ...rest });
  const app = createA2AApp(adapter, { handleSignals: false, drainMs: 0, grpc: {}, ...appOptions });
  onTestFinished(() => app.close());
  return { app, adapter, url: await app.listen() };
}
