// Random requests made from an OpenAPI document: most nearly fit it.
import * as fc from "fast-check";

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
}

interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: "path" | "query"; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, unknown>>;
}

/** The parts of an OpenAPI document that requests are made from. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** A request, and the statuses that its operation documents; none where it may be no request of the document. */
export interface MadeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly documented: readonly number[] | undefined;
}

/** Texts that services trip over. */
const TEXTS = [
  ...["", " ", "a", "ada", "house", "0", "-1", "1e9", "0x10", "NaN", "true", "null", "[object Object]", "__proto__"],
  ...[
    "constructor",
    "../../etc/passwd",
    "' or 1=1 --",
    '"',
    "NEAR(a b)",
    "a*",
    "^a",
    "a OR b",
    "-",
    "%",
    "%00",
    "\u0000",
  ],
  ...["\ud800", "é".repeat(43), "日本語", "🐧", "\u202e", "\n", "<b>", "${x}", "x".repeat(129), "x".repeat(20_000)],
  ...["eyJhIjoxfQ.x", `${"é".repeat(4)}.${"é".repeat(43)}`, "a.b.c", "."],
];

const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: "binary", maxLength: 20 }), fc.string());
const junk: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.constantFrom(null, true, -1, 0.5, 1e308, Number.MAX_SAFE_INTEGER, [], {}, [[]], { id: {} }),
  fc.jsonValue({ maxDepth: 3 }),
);

function fitting(schema: Schema, known: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => nearly(one, known)));
  switch (schema.type ?? "any") {
    case "object": {
      const { properties = {}, required = [] } = schema;
      const entries = Object.entries(properties).map(([name, one]) => [name, nearly(one, known)]);
      return fc.record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: [...required],
      });
    }
    case "array":
      return fc.array(nearly(schema.items ?? {}, known), { maxLength: 3 });
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: Math.max(1, schema.minimum ?? 1), max: 60 });
    case "number":
      return fc.double({ min: -1, max: 1, noNaN: true });
    case "string":
      // names have a pattern, texts have none
      return schema.pattern === undefined ? fc.constantFrom("gate", "The gate code is 4711.") : known;
    default:
      return junk;
  }
}

/** Makes values of a schema; one in sixteen places has something else. */
function nearly(schema: Schema, known: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 15, arbitrary: fitting(schema, known) }, { weight: 1, arbitrary: junk });
}

const seldom = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> =>
  fc.oneof({ weight: 15, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

/** Writes what has no JSON, too. */
const written = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/** Percent-encodes text; half of a surrogate pair, which has no encoding, as what it would be. */
const encoded = (value: string): string => (value.isWellFormed() ? encodeURIComponent(value) : "%ED%A0%80");

const bodies = (schema: Schema | undefined, known: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    { weight: 8, arbitrary: schema === undefined ? fc.constant(undefined) : nearly(schema, known).map(written) },
    {
      weight: 8,
      arbitrary:
        schema === undefined ? fc.constant(undefined) : fitting(schema, known).map((one) => JSON.stringify(one)),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("{", "[".repeat(50_000), '{"text":"\\ud800"}', '{"a":1,"a":2}', "\u0000", "nul"),
    },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );

/** Returns random requests of a document; `known` gives ids that exist. */
export function requestsOf({ paths }: ApiDocument, known: fc.Arbitrary<string>): fc.Arbitrary<MadeRequest> {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const headers = fc.record(
    {
      "content-type": fc.oneof(
        { weight: 12, arbitrary: fc.constant("application/json") },
        fc.constantFrom("text/plain", "application/json; charset=utf-8", ";", "application/JSON"),
      ),
      "idempotency-key": fc.oneof(
        { weight: 9, arbitrary: fc.nat(200).map((number) => `key-${number}`) },
        fc.constantFrom("", "a b", "x".repeat(200), "a, b"),
      ),
      "memory-user": fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom("ada", "bob") },
        fc.constantFrom("", "a b", "../x"),
      ),
    },
    { requiredKeys: ["content-type"] },
  );
  // a request about something needs it to be there
  const keeping = operations.filter(({ path, method }) => path === "/v1/fragments" && method === "POST");
  const some = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...operations) }, fc.constantFrom(...keeping));
  return some.chain(({ path, method, operation }) => {
    const places = operation.parameters.filter((one) => one.in === "path");
    const asked = operation.parameters.filter((one) => one.in === "query");
    const part = fc.oneof({ weight: 9, arbitrary: known }, { weight: 1, arbitrary: text });
    const query = fc.record(
      Object.fromEntries(asked.map((one) => [one.name, nearly(one.schema, known).map(written)])),
      {
        requiredKeys: [],
      },
    );
    return fc
      .record({
        parts: fc.tuple(...places.map(() => part)),
        query,
        more: seldom(fc.tuple(text, text)),
        headers,
        body: bodies(operation.requestBody?.content["application/json"].schema, known),
        other: seldom(fc.constantFrom("PATCH", "OPTIONS", "HEAD", "POST", "DELETE")),
      })
      .map(({ parts, query: given, more, other, ...rest }): MadeRequest => {
        let at = 0;
        const filled = path.replaceAll(/\{\w+\}/g, () => encoded(parts[at++] ?? ""));
        const pairs = [...Object.entries(given), ...(more === null ? [] : [more])];
        const search = pairs.map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`).join("&");
        const documented = Object.keys(operation.responses).map(Number).filter(Number.isFinite);
        return {
          method: other ?? method,
          path: search === "" ? filled : `${filled}?${search}`,
          ...rest,
          documented: other === null ? documented : undefined,
        };
      });
  });
}

/** Bytes that are no HTTP, or nearly. */
export const noRequests: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...["GET // HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", "GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ...["OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", "GET /%zz HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ...["CONNECT a:1 HTTP/1.1\r\nhost: localhost\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n", ""],
    "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    "GET /v1/fragments HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
  ),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ maxLength: 60 }).map((path) => `GET /${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`),
);
