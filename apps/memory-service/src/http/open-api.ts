import { z } from "zod";
import { VERSION } from "../own-package.ts";
import type { Route } from "./route.ts";

/** Writes the routes as an OpenAPI 3.1 document. Source of the format: OpenAPI Specification 3.1.1. */
export function openApiOf(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  return {
    openapi: "3.1.1",
    info: { title: "Memory service", version: VERSION },
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: {
        Problem: {
          type: "object",
          required: ["title", "status", "code"],
          properties: {
            title: { type: "string" },
            status: { type: "integer" },
            code: { type: "string" },
            issues: { type: "array", items: { type: "object" } },
          },
        },
      },
    },
    security: [{ key: [] }],
    paths,
  };
}

function operationOf({ path, summary, body, query, statuses }: Route): object {
  const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const asked = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    schema: schemaOf(schema as z.ZodType),
  }));
  return {
    summary,
    parameters: [...places, ...asked],
    ...(body !== undefined && {
      requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } },
    }),
    responses: {
      ...Object.fromEntries(statuses.map((status) => [status, { description: "done" }])),
      default: {
        description: "refused or failed",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
