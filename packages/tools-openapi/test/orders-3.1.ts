/** A document of OpenAPI 3.1 with all styles of parameters, bodies and ways to sign in. */
export const orders = {
  openapi: "3.1.0",
  info: { title: "Orders", version: "1" },
  servers: [{ url: "{scheme}://127.0.0.1:1", variables: { scheme: { default: "http" } } }],
  paths: {
    "/styles/{list}/{label}/{matrix}": {
      get: {
        parameters: [
          { name: "list", in: "path", required: true, schema: { type: "array", items: { type: "string" } } },
          { name: "label", in: "path", required: true, style: "label", explode: true, schema: { type: "array" } },
          { name: "matrix", in: "path", required: true, style: "matrix", explode: true, schema: { type: "object" } },
          { name: "form", in: "query", explode: false, schema: { type: "array" } },
          { name: "space", in: "query", style: "spaceDelimited", explode: false, schema: { type: "array" } },
          { name: "pipe", in: "query", style: "pipeDelimited", explode: false, schema: { type: "array" } },
          { name: "filter", in: "query", style: "deepObject", explode: true, schema: { type: "object" } },
          { name: "page", in: "query", schema: { type: "object" } },
          { name: "callback", in: "query", allowReserved: true, schema: { type: "string" } },
          { name: "where", in: "query", content: { "application/json": { schema: { type: "object" } } } },
          { name: "X-Flags", in: "header", schema: { type: "object" }, explode: true },
          { name: "session", in: "cookie", schema: { type: "string" } },
        ],
        responses: { 200: { description: "ok" } },
      },
    },
    "/orders": {
      get: {
        operationId: "list orders!",
        tags: ["orders"],
        security: [],
        parameters: [
          { name: "q", in: "query", schema: { type: ["string", "null"], pattern: String.raw`^(?P<word>\w+)$` } },
          { name: "q", in: "header", schema: { type: "string" } },
          { name: "body", in: "query", schema: { const: "yes" } },
        ],
        responses: { "2XX": { description: "ok", content: { "application/*": { schema: { type: "array" } } } } },
      },
      post: {
        operationId: "order",
        tags: ["orders"],
        security: [{ token: [] }, { name: [] }],
        requestBody: {
          required: true,
          content: {
            "text/plain": { schema: { type: "string" } },
            "application/x-www-form-urlencoded": {
              schema: {
                type: "object",
                properties: {
                  what: { type: "string" },
                  items: { type: "array", items: { type: "string" } },
                  to: { type: "object" },
                  size: { type: "object" },
                },
              },
              encoding: { size: { style: "deepObject", explode: true } },
            },
          },
        },
        responses: { 200: { description: "ok" } },
      },
    },
    "/files": {
      put: {
        operationId: "store",
        security: [{ query: [], cookie: [] }],
        requestBody: { content: { "application/octet-stream": {} } },
        responses: { 200: { description: "ok" } },
      },
      patch: {
        operationId: "note",
        security: [{ oauth: ["write"] }, {}],
        requestBody: { content: { "application/xml": { schema: { type: "object" } } } },
        responses: { 200: { description: "ok" } },
      },
    },
  },
  components: {
    securitySchemes: {
      token: { type: "http", scheme: "bearer" },
      name: { type: "http", scheme: "basic" },
      query: { type: "apiKey", in: "query", name: "api_key" },
      cookie: { type: "apiKey", in: "cookie", name: "sid" },
      oauth: { type: "oauth2", flows: { clientCredentials: { tokenUrl: "https://example.com/token", scopes: {} } } },
    },
  },
} as const;
