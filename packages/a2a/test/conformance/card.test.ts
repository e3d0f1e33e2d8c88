import { expect } from "vitest";
import { options } from "../../../../examples/a2a-tck-agent/main.ts";
import { rule, say } from "./rule.ts";
import { type Card, readCard } from "./shapes.ts";
import { BINDINGS, type BindingName, mediaTypeOf } from "./wire-client.ts";

/** Fetches the card without naming a version, as the kit does. */
async function fetchCard(url: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${url}/.well-known/agent-card.json`, { headers });
  return { response, card: response.status === 304 ? undefined : await response.json() };
}

const cardOf = async (url: string): Promise<Card> => readCard((await fetchCard(url)).card);

rule("CARD-DISC-001", async ({ url }) => {
  const { response } = await fetchCard(url);
  expect({ status: response.status, type: mediaTypeOf(response) }).toEqual({ status: 200, type: "application/json" });
});

rule("CARD-PROTO-001", async ({ url }) => {
  const { supportedInterfaces } = await cardOf(url);
  const spoken = supportedInterfaces.map(({ protocolBinding, protocolVersion }) => [protocolBinding, protocolVersion]);
  expect(spoken).toEqual([
    ["JSONRPC", "1.0"],
    ["HTTP+JSON", "1.0"],
  ]);
});

rule("CARD-PROTO-002", async ({ url, as }) => {
  for (const { url: at, protocolBinding } of (await cardOf(url)).supportedInterfaces) {
    const name: BindingName = protocolBinding === "JSONRPC" ? "JSON-RPC" : "HTTP+JSON";
    expect(at).toBe(url + BINDINGS[name].path);
    await as({}, name).ask("SendMessage", say("complete-task"));
  }
});

rule("CARD-STRUCT-001", async ({ url }) => {
  expect(await cardOf(url)).toMatchObject({
    name: "PenguiFlow under the compatibility kit",
    capabilities: { streaming: true, pushNotifications: true },
  });
});

rule(
  "CARD-STRUCT-001",
  async ({ url }) => {
    const bearer = { httpAuthSecurityScheme: { scheme: "Bearer" } };
    expect(readCard((await fetchCard(url, { "A2A-Version": "1.0" })).card)).toMatchObject({
      securitySchemes: { bearer },
      securityRequirements: [{ schemes: { bearer: {} } }],
      skills: [{ id: "plain", name: "plain", tags: ["plain"] }],
    });
  },
  {
    detail: "with security, and skills that say little",
    agent: {
      ...options,
      legacy: true,
      card: {
        name: "guarded",
        description: "Wants to know who calls",
        version: "1",
        skills: [{ id: "plain", description: "Does little" }],
        securitySchemes: {
          bearer: {
            scheme: {
              $case: "httpAuthSecurityScheme",
              value: { scheme: "Bearer", description: "", bearerFormat: "" },
            },
          },
        },
        securityRequirements: [{ schemes: { bearer: { list: [] } } }],
      },
    },
  },
);

rule("CARD-CACHE-001", async ({ url }) => {
  expect((await fetchCard(url)).response.headers.get("cache-control")).toMatch(/max-age=\d+/);
});

rule("CARD-CACHE-002", async ({ url }) => {
  const etag = (await fetchCard(url)).response.headers.get("etag") ?? "";
  expect(etag).not.toBe("");
  const known = await fetchCard(url, { "if-none-match": etag, "cache-control": "max-age=0" });
  expect(known.response.status).toBe(304);
});
