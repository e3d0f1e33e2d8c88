// npx penguiflow simulate: the flow under random faults, orders and tenants.
import type { SimulateOptions } from "penguiflow/testing";
import { createFlow, type Resources } from "../src/flows.ts";

const resources: Resources = { ask: async (city) => ({ city, celsius: city.length }) };

export default {
  flow: createFlow,
  resources,
  input: (random) => ({ city: "x".repeat(1 + Math.floor(random() * 9)) }),
} satisfies SimulateOptions<{ city: string }, string, Resources>;
