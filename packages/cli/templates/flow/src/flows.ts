import { type Context, create, type FlowOptions, payloadNode } from "penguiflow";
import { askWeather, type Weather } from "./weather.ts";

/** The service that the flow asks, so that a test can give another one. */
export interface Resources {
  readonly ask: (city: string, signal: AbortSignal) => Promise<Weather>;
}

const read = payloadNode("read", ({ city }: { city: string }) => {
  if (typeof city !== "string" || city.trim() === "") throw new TypeError("The input needs a city");
  return city.trim();
});

// one attempt may take 2 s; two more follow a failure; 8 requests are with the service at once
const look = payloadNode(
  { name: "look", effects: "reads", policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 50, concurrency: 8 } },
  async (city: string, ctx: Context<Resources>) => await ctx.resources.ask(city, ctx.signal),
);

const write = payloadNode("write", ({ city, celsius }: Weather) => `${city}: ${celsius} °C`);

/** Creates the flow. Tenants take turns at each node; one named "premium" has twice the share of another. */
export function createFlow(options: FlowOptions = {}) {
  return create(read.to(look), look.to(write), { name: "weather", tenantWeights: { premium: 2 }, ...options });
}

export const flow = createFlow();
export const resources: Resources = { ask: askWeather };
