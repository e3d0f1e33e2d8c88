import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FinalAnswer, Message, WM } from "penguiflow";
import { fromPlain, toPlain, unfitness } from "../../src/durable/form/codec.ts";

const ROOM = 1_000_000;

/** Returns the value as restored from the checkpoint store. */
const kept = (value: unknown): unknown => fromPlain(JSON.parse(JSON.stringify(toPlain(value))));

const key = fc.oneof(
  fc.string(),
  fc.constantFrom("__proto__", "constructor", "toJSON", "$date", "$$date", "$", "$map", "$no-tag", "a"),
);

/** Creates an object with these properties, including names such as "__proto__". */
const objectOf = (entries: ReadonlyArray<readonly [string, unknown]>): object => Object.fromEntries(entries);

/** Values that JSON can represent, without objects that have a single key beginning with `$`. */
const plainJson = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => value + 0),
    fc.array(tie("any")),
    fc.array(fc.tuple(fc.string(), tie("any"))).map((entries) => objectOf([...entries, ["a", 1], ["b", 2]])),
  ),
})).any;

/** All values that are data and are restored unchanged. */
const data = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\uD800", "\u0000", "\u2028", "$date"),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie("any")),
    fc.array(fc.tuple(key, tie("any")), { maxLength: 3 }).map(objectOf),
    fc
      .array(fc.tuple(key, tie("any")), { maxLength: 3 })
      .map((entries) => Object.assign(Object.create(null) as object, objectOf(entries))),
    fc.array(fc.tuple(tie("any"), tie("any"))).map((entries) => new Map(entries)),
    fc.array(tie("any")).map((parts) => new Set(parts)),
    fc
      .record({ query: fc.string(), facts: fc.array(tie("any")), hops: fc.nat(), budgetHops: fc.constantFrom(null, 3) })
      .map((init) => new WM(init)),
    fc.record({ text: fc.string(), citations: fc.array(tie("any")) }).map((init) => new FinalAnswer(init)),
    fc
      .record(
        {
          payload: tie("any"),
          headers: fc.record(
            { tenant: fc.constant("acme"), topic: fc.string(), priority: fc.nat() },
            { requiredKeys: ["tenant"] },
          ),
          traceId: fc.constant("t"),
          createdAt: fc.nat(),
          deadlineAt: fc.nat(),
          meta: fc.array(fc.tuple(key, tie("any"))).map((entries) => ({ ...objectOf(entries) })),
        },
        { requiredKeys: ["payload"] },
      )
      .map((init) => new Message(init)),
  ),
})).any;

describe("data", () => {
  test("comes back as it was, of whatever and however nested", () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(unfitness(value, "payload", ROOM)).toBeUndefined();
        expect(isDeepStrictEqual(kept(value), value)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("that JSON can say is written as it is, without a copy, and read so", () => {
    fc.assert(
      fc.property(plainJson, (value) => {
        fc.pre(!isDeepStrictEqual(value, -0));
        expect(toPlain(value)).toBe(value);
        expect(fromPlain(value)).toBe(value);
      }),
    );
  });

  test("is not changed by being written, and its own class is kept from what is written", () => {
    const value = Object.freeze({ at: new Date(0), list: Object.freeze([1, new Map([[1, new WM({ query: "q" })]])]) });
    const plain = toPlain(value) as { list: [number, { $map: [[number, { $wm: object }]] }] };
    expect(value.at).toEqual(new Date(0));
    expect(Object.getPrototypeOf(plain.list[1].$map[0][1].$wm)).toBe(Object.prototype);
  });

  // the checkpoint store outlives the program, so data must remain readable forever
  test.each<[string, unknown, string]>([
    ["undefined", undefined, '{"$undefined":true}'],
    ["a property that is undefined", { a: undefined }, '{"a":{"$undefined":true}}'],
    ["a number that JSON has not", Number.NaN, '{"$number":"NaN"}'],
    ["infinity", Number.NEGATIVE_INFINITY, '{"$number":"-Infinity"}'],
    ["a zero with a sign", -0, '{"$number":"-0"}'],
    ["a bigint", -12n, '{"$bigint":"-12"}'],
    ["a Date", new Date(5), '{"$date":5}'],
    ["an invalid Date", new Date(Number.NaN), '{"$date":null}'],
    ["a Map", new Map<unknown, unknown>([["a", 1n]]), '{"$map":[["a",{"$bigint":"1"}]]}'],
    ["a Set", new Set([1, undefined]), '{"$set":[1,{"$undefined":true}]}'],
    ["bytes", Uint8Array.of(0, 1, 255), '{"$bytes":"AAH/"}'],
    ["no bytes", new Uint8Array(), '{"$bytes":""}'],
    [
      "working memory",
      new WM({ query: "q", facts: [1] }),
      '{"$wm":{"query":"q","facts":[1],"hops":0,"budgetHops":8,"tokensUsed":0,"budgetTokens":null,"confidence":0}}',
    ],
    ["a final answer", new FinalAnswer({ text: "t" }), '{"$final":{"text":"t","citations":[]}}'],
    [
      "a Message",
      new Message({ payload: 1, headers: { tenant: "acme", topic: "t" }, traceId: "x", createdAt: 1, deadlineAt: 2 }),
      '{"$message":{"payload":1,"headers":{"tenant":"acme","topic":"t"},"traceId":"x","createdAt":1,"meta":{},"deadlineAt":2}}',
    ],
    ["an object that looks like a tag", { $date: 5n }, '{"$$date":{"$bigint":"5"}}'],
    ["an object with a key like a tag, among others", { $date: 5, a: 1 }, '{"$date":5,"a":1}'],
  ])("%s is written in the form that stands here", (_, value, text) => {
    expect(JSON.stringify(toPlain(value))).toBe(text);
    expect(isDeepStrictEqual(fromPlain(JSON.parse(text)), value)).toBe(true);
  });

  test("of many bytes comes back as it was", () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index * 7);
    expect(kept(bytes)).toEqual(bytes);
  });

  test("may be a Buffer, and stays one", () => {
    const text = kept({ text: Buffer.from("größe") }) as { text: Buffer };
    expect(Buffer.isBuffer(text.text)).toBe(true);
    expect(text.text.toString("utf8")).toBe("größe");
  });

  test("may be an object without prototype, and stays one, whatever its keys are", () => {
    const groups = /(?<year>\d+)/.exec("in 2026")?.groups;
    expect(unfitness(groups, "payload", ROOM)).toBeUndefined();
    expect(isDeepStrictEqual(kept(groups), groups)).toBe(true);
    expect(Object.getPrototypeOf(kept(groups))).toBeNull();
  });

  test('may have a property called "__proto__", which stays a property', () => {
    const value = JSON.parse('{"__proto__":{"isAdmin":true},"at":0}') as { at: unknown };
    value.at = new Date(0);
    for (const hostile of [value, { inside: value }, [value]]) {
      expect(unfitness(hostile, "payload", ROOM)).toBeUndefined();
      expect(isDeepStrictEqual(kept(hostile), hostile)).toBe(true);
    }
    const converted = kept(JSON.parse('{"__proto__":{"$$x":1},"a":1}')) as object;
    expect(Object.getPrototypeOf(converted)).toBe(Object.prototype);
    expect(Object.hasOwn(converted, "__proto__")).toBe(true);
  });

  test("may stand in several places, and is written in each", () => {
    const shared = { at: new Date(0) };
    const value = { a: shared, b: [shared, shared] };
    expect(unfitness(value, "payload", ROOM)).toBeUndefined();
    expect(kept(value)).toEqual(value);
  });
});

test("what the prototype of all objects was given is not written", () => {
  const added = { value: () => 0, enumerable: true, configurable: true, writable: true };
  Reflect.defineProperty(Object.prototype, "added", added);
  try {
    const found = unfitness({ a: 1n, b: { $date: 1 } }, "payload", ROOM);
    const text = JSON.stringify(toPlain({ a: 1n, b: { $date: 1 } }));
    expect([found, text]).toEqual([undefined, '{"a":{"$bigint":"1"},"b":{"$$date":1}}']);
  } finally {
    Reflect.deleteProperty(Object.prototype, "added");
  }
});

const nested = (levels: number, wrap: (inside: unknown) => unknown): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = wrap(value);
  return value;
};

class Session {
  readonly id = 1;
}

describe("a value that is not data", () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const circle: Record<string, unknown> = { a: 1 };
  circle["list"] = [{ back: circle }];
  const map = new Map<unknown, unknown>();
  map.set("me", new Set([map]));
  const carried: Record<string, unknown> = {};
  carried["sent"] = new Message({ payload: carried });

  test.each<[string, unknown, string, RegExp]>([
    ["a function", () => 0, "payload", /^a function; expected data: null, booleans/],
    ["a named function", { on: function save() {} }, "payload.on", /^the function "save"; expected data/],
    ["a symbol", [Symbol("s")], "payload[0]", /^the symbol Symbol\(s\); expected data/],
    ["a symbol as key", { a: { [Symbol("s")]: 1 } }, "payload.a[Symbol(s)]", /^a property whose key is a symbol/],
    [
      "a getter",
      {
        get a() {
          return 1;
        },
      },
      "payload.a",
      /^an accessor; expected data/,
    ],
    ["a setter", { b: 1, set a(_: number) {} }, "payload.a", /^an accessor; expected data/],
    ["an instance", { a: new Session() }, "payload.a", /^an instance of Session; expected data/],
    ["an instance with toJSON", new URL("http://a.b"), "payload", /^an instance of URL; expected data/],
    ["a RegExp", [/a/], "payload[0]", /^an instance of RegExp/],
    ["other bytes", new Float64Array(1), "payload", /^an instance of Float64Array/],
    ["bytes in shared memory", new Uint8Array(new SharedArrayBuffer(1)), "payload", /^bytes in shared memory/],
    ["a class that extends Uint8Array", new (class Bytes extends Uint8Array {})(), "payload", /^an instance of Bytes/],
    ["a boxed primitive", [Object("text")], "payload[0]", /^an instance of String/],
    // eslint-disable-next-line no-sparse-arrays
    ["a hole in an array", { list: [1, , 2] }, "payload.list[1]", /^a hole in an array; expected data/],
    ["the index of a match", "in 2026".match(/\d+/), "payload.index", /^a property added to an array, which would be/],
    [
      "a property of a Date",
      { at: Object.assign(new Date(0), { zone: "CET" }) },
      "payload.at.zone",
      /^a property added/,
    ],
    ["a property of a Map", Object.assign(new Map(), { size2: 1 }), "payload.size2", /^a property added/],
    ["a property of a Set", Object.assign(new Set(), { "a b": 1 }), 'payload["a b"]', /^a property added/],
    ["a symbol of a Map", Object.assign(new Map(), { [Symbol("s")]: 1 }), "payload[Symbol(s)]", /^a property added/],
    ["a symbol of an array", Object.assign([], { [Symbol("s")]: 1 }), "payload[Symbol(s)]", /^a property added/],
    ["a symbol of bytes", Object.assign(Buffer.from("a"), { [Symbol("s")]: 1 }), "payload[Symbol(s)]", /^a property/],
    [
      "a property that is not enumerable",
      [Object.defineProperty({ a: 1 }, "hidden", { value: 1 })],
      "payload[0].hidden",
      /^a property that is not enumerable; expected data/,
    ],
    [
      "a symbol that is not enumerable",
      Object.defineProperty({ a: 1 }, Symbol("hidden"), { value: 1 }),
      "payload[Symbol(hidden)]",
      /^a property whose key is a symbol; expected data/,
    ],
    [
      "the arguments of a function",
      (function () {
        return arguments;
      })(),
      "payload[Symbol(Symbol.iterator)]",
      /^a property whose key is a symbol/,
    ],
    [
      "a property added to a WM",
      Object.assign(Object.create(WM.prototype) as object, new WM({ query: "q" }), { added: 1 }),
      "payload.added",
      /^a property added to an instance of WM, which would be lost/,
    ],
    [
      "a property added to a Message",
      [Object.assign(Object.create(Message.prototype) as object, new Message({ payload: 1 }), { added: 1 })],
      "payload[0].added",
      /^a property added to an instance of Message/,
    ],
    ["a WM that no constructor has made", Object.create(WM.prototype), "payload", /^an instance of WM without its/],
    [
      "a Message that no constructor has made",
      Object.create(Message.prototype),
      "payload",
      /^an instance of Message w/,
    ],
    ["a class that extends Array", new (class List extends Array {})(), "payload", /^an instance of List/],
    ["a class that extends Map", new (class Lookup extends Map {})(), "payload", /^an instance of Lookup/],
    ["a class that extends WM", new (class Mind extends WM {})({ query: "q" }), "payload", /^an instance of Mind/],
    [
      "an instance without constructor",
      Object.create(Object.create(null) as object),
      "payload",
      /^an instance of a class/,
    ],
    ["an object of another realm", runInNewContext("({})"), "payload", /^an instance of Object/],
    ["an Error", { cause: new TypeError("no") }, "payload.cause", /^an Error, which errorPayload\(error\) makes data/],
    ["a Promise", { later: Promise.resolve(1) }, "payload.later", /^a Promise, which was not awaited/],
    ["what cannot be read", { a: revoked.proxy }, "payload.a", /^an object that cannot be read \(.*revoked/],
    ["what only looks like a Date", Object.create(Date.prototype), "payload", /^an object that cannot be read/],
    [
      "a function whose name cannot be read",
      [
        Object.defineProperty(() => 0, "name", {
          get: () => {
            throw new Error("no");
          },
        }),
      ],
      "payload[0]",
      /^a value that cannot be read; expected data/,
    ],
    ["a cycle", circle, "payload.list[0].back", /^the same object as payload, which contains it; expected data/],
    ["a cycle further in", { x: circle }, "payload.x.list[0].back", /^the same object as payload.x, which contains/],
    ["a cycle through a Map", map, 'payload.get("me").values()[0]', /^the same object as payload, /],
    ["a cycle through a Message", [carried], "payload[0].sent.payload", /^the same object as payload\[0\], /],
  ])("is found: %s", (_, value, path, problem) => {
    const found = unfitness(value, "payload", ROOM);
    expect(found).toEqual({ code: "NOT_SERIALISABLE", path, problem: expect.stringMatching(problem) as string });
    // nothing remains for the next call
    expect(unfitness({ n: 1 }, "payload", ROOM)).toBeUndefined();
  });

  const unfit = (): unknown => () => 0;
  test.each<[string, unknown]>([
    ['payload["a b"]', { "a b": unfit() }],
    ['payload["0"]', { 0: unfit() }],
    ["payload.größe$_1", { größe$_1: unfit() }],
    ['payload["say \\"hi\\""]', { 'say "hi"': unfit() }],
    ["payload.user.tags[2]", { user: { tags: [1, 2, unfit()] } }],
    ["payload.get(5)", new Map([[5, unfit()]])],
    [
      "payload.values()[1]",
      new Map([
        [{}, 1],
        [{}, unfit()],
      ] as Array<[object, unknown]>),
    ],
    [
      "payload.keys()[1].a",
      new Map<unknown, unknown>([
        [1, 1],
        [{ a: unfit() }, 1],
      ]),
    ],
    ["payload.values()[1]", new Set([1, unfit()])],
    ["payload.facts[0].doc", new WM({ query: "q", facts: [{ doc: unfit() }] })],
    ["payload.citations[0]", new FinalAnswer({ text: "t", citations: [unfit()] })],
    ["payload.payload.a", new Message({ payload: { a: unfit() } })],
    ["payload.meta.session", new Message({ payload: 1, meta: { session: new Session() } })],
  ])("is found at %s", (path, value) => {
    expect(unfitness(value, "payload", ROOM)).toMatchObject({ code: "NOT_SERIALISABLE", path });
  });

  test("is found at any place, and the path leads to it", () => {
    /** A step into a value: its path and the values around it. */
    const step = fc.oneof(
      fc.tuple(data, fc.nat(3)).map(([beside, index]) => ({
        path: `[${index}]`,
        around: (inside: unknown): unknown => [...Array.from({ length: index }, () => beside), inside, beside],
      })),
      fc.tuple(data, fc.constantFrom("a", "b$", "__proto__")).map(([beside, name]) => ({
        path: `.${name}`,
        around: (inside: unknown): unknown =>
          objectOf([
            ["before", beside],
            [name, inside],
            ["after", beside],
          ]),
      })),
      fc.tuple(data, fc.string()).map(([beside, name]) => ({
        path: `.get(${JSON.stringify(name)})`,
        around: (inside: unknown): unknown =>
          new Map<unknown, unknown>([
            [{}, beside],
            [name, inside],
          ]),
      })),
      data.map((beside) => ({ path: ".values()[1]", around: (inside: unknown) => new Set([[beside], inside]) })),
      data.map((beside) => ({
        path: ".facts[1]",
        around: (inside: unknown) => new WM({ query: "q", facts: [beside, inside] }),
      })),
      data.map((beside) => ({
        path: ".payload",
        around: (inside: unknown) => new Message({ payload: inside, meta: { beside } }),
      })),
    );
    const culprit = fc.constantFrom<unknown>(() => 0, Symbol("s"), new Session(), Promise.resolve(), new Error("no"));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), culprit, (steps, found) => {
        let value = found;
        for (const { around } of steps.toReversed()) value = around(value);
        const path = `payload${steps.map((taken) => taken.path).join("")}`;
        expect(unfitness(value, "payload", ROOM)).toMatchObject({ code: "NOT_SERIALISABLE", path });
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, (inside: unknown) => unknown]>([
    ["arrays", (inside) => [inside]],
    ["objects", (inside) => ({ inside })],
    ["Maps", (inside) => new Map([["inside", inside]])],
    ["tags that are not tags", (inside) => ({ $map: inside })],
  ])("is one of more than 500 levels, of %s, and one of 500 comes back", (_, wrap) => {
    const found = unfitness(nested(501, wrap), "payload", ROOM);
    expect(found?.code).toBe("NOT_SERIALISABLE");
    expect(found?.problem).toBe("nested more than 500 levels deep");
    expect(unfitness(nested(20_000, wrap), "payload", ROOM)).toEqual(found);
    const deepest = nested(500, wrap);
    expect(unfitness(deepest, "payload", ROOM)).toBeUndefined();
    expect(JSON.stringify(toPlain(kept(deepest)))).toBe(JSON.stringify(toPlain(deepest)));
  });

  test.each<[string, unknown]>([
    ["a function", () => 0],
    ["the symbol Symbol(s)", Symbol("s")],
    ["an instance of Session", [new Session()]],
  ])("is not written unseen: %s", (what, value) => {
    expect(() => toPlain(value)).toThrow(`Cannot write ${what}: expected data`);
  });
});

/** Every kind of value, data or not, with the ways in which programs modify it. */
const anyKind = fc.letrec((tie) => {
  const property = fc.constantFrom<PropertyKey>("index", "0", "length2", "__proto__", "$date", Symbol("s"));
  const descriptor = fc.oneof(
    tie("any").map((value): PropertyDescriptor => ({ value, enumerable: true, configurable: true, writable: true })),
    tie("any").map((value): PropertyDescriptor => ({ value, enumerable: false })),
    fc.constant<PropertyDescriptor>({ get: () => 1, enumerable: true }),
    fc.constant<PropertyDescriptor>({ set: () => {}, enumerable: true }),
  );
  const made = fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(null, undefined, true, -0, Number.NaN, Number.NEGATIVE_INFINITY, "text", 5n, Symbol("s")),
    fc
      .constantFrom<() => unknown>(
        () => () => 0,
        () => new Date(0),
        () => new Date(Number.NaN),
        () => /a/gu,
        () => new Error("no"),
        () => new URL("http://a.b"),
        () => Object(1),
        () => Object("text"),
        () => new Float32Array(2),
        () => new DataView(new ArrayBuffer(1)),
        () => new ArrayBuffer(1),
        () => new Session(),
        () => Promise.resolve(),
        () => new WeakMap(),
        () => "in 2026".match(/(?<year>\d+)/),
        () => "in 2026".match(/(?<year>\d+)/)?.groups,
        () => Array.from({ length: 2 }, () => 1).concat(Array(1)),
        () => Object.create(null),
        () => Object.create(Object.prototype),
        () => Object.create(WM.prototype),
        () => Object.create(Array.prototype),
        () => Object.setPrototypeOf([], null),
        () => new Uint8Array(new SharedArrayBuffer(1)),
        () => runInNewContext("[]"),
      )
      .map((make) => make()),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.array(tie("any"), { maxLength: 3 }).map((parts) => new Set(parts)),
    fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(fc.tuple(key, tie("any")), { maxLength: 3 }).map(objectOf),
    fc.array(tie("any"), { maxLength: 2 }).map((facts) => new WM({ query: "q", facts })),
    tie("any").map((payload) => new Message({ payload })),
  );
  return {
    any: fc.oneof(
      { maxDepth: 4 },
      { weight: 5, arbitrary: made },
      {
        weight: 1,
        arbitrary: fc.tuple(made, property, descriptor).map(([value, name, how]) => {
          // a text-named property of bytes cannot be found
          const isFree =
            typeof value === "object" && value !== null && !(ArrayBuffer.isView(value) && typeof name === "string");
          if (isFree && Object.isExtensible(value)) Reflect.defineProperty(value, name, how);
          return value;
        }),
      },
    ),
  };
}).any;

test("a value of any kind is restored as what it was, prototypes and properties included, or is refused with its path", () => {
  let [restored, refused] = [0, 0];
  fc.assert(
    fc.property(anyKind, (value) => {
      const found = unfitness(value, "payload", ROOM);
      const again = found === undefined ? kept(value) : undefined;
      expect([
        found === undefined || (found.code === "NOT_SERIALISABLE" && found.path.startsWith("payload")),
        found !== undefined || isDeepStrictEqual(again, value),
        found === undefined ? shapeOf(again) : undefined,
      ]).toEqual([true, true, found === undefined ? shapeOf(value) : undefined]);
      if (found === undefined) restored += 1;
      else refused += 1;
    }),
    { numRuns: 2_000, endOnFailure: true },
  );
  expect(Math.min(restored, refused)).toBeGreaterThan(200);
});

/** Returns the properties that `isDeepStrictEqual` ignores: attributes, and those that are not enumerable. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return undefined;
  return [
    Object.getPrototypeOf(value) === null ? null : Object.prototype.toString.call(value),
    Reflect.ownKeys(value).map((name) => {
      // an array's elements are read, accessors included
      if (Array.isArray(value) && name !== "length") return name;
      const found = Object.getOwnPropertyDescriptor(value, name) as PropertyDescriptor;
      return [name, found.enumerable, "get" in found, "set" in found, shapeOf(found.value)];
    }),
  ];
}

describe("the size of a value", () => {
  test("is refused above the limit, and the value is looked at no further", () => {
    let isRead = false;
    const last = new Proxy({}, { ownKeys: () => ((isRead = true), []) });
    const found = unfitness(["x".repeat(100), last], "payload", 100);
    expect(found).toEqual({
      code: "PAYLOAD_TOO_LARGE",
      path: "payload",
      problem: expect.stringMatching(/^longer than 100 characters as JSON text$/) as string,
    });
    expect(isRead).toBe(false);
    expect(unfitness({ n: 1 }, "payload", 100)).toBeUndefined();
  });

  test("of shared parts counts each time they are written", () => {
    expect(
      unfitness(
        nested(60, (inside) => [inside, inside]),
        "payload",
        ROOM,
      ),
    ).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  test("does not hide a cycle, however large", () => {
    const value: Record<string, unknown> = { text: "x".repeat(60) };
    value["self"] = value;
    expect(unfitness(value, "payload", 100)).toMatchObject({ code: "NOT_SERIALISABLE", path: "payload.self" });
  });

  test("is about that of its JSON text", () => {
    /** Returns the smallest limit that accepts the value. */
    const sizeOf = (value: unknown): number => {
      let [low, high] = [0, ROOM];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (unfitness(value, "payload", middle) === undefined) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    fc.assert(
      fc.property(data, (value) => {
        // escapes are not counted, numbers and dates count by kind
        const text = JSON.stringify(toPlain(value)).replaceAll(/\\(u[\da-f]{4}|.)/g, "x");
        expect(sizeOf(value)).toBeGreaterThan(text.length / 3 - 10);
        expect(sizeOf(value)).toBeLessThan(text.length * 6 + 20);
      }),
    );
    const text = "x".repeat(1000);
    for (const value of [
      text,
      [text],
      { text },
      new Map([["text", text]]),
      Buffer.from(text),
      new WM({ query: text }),
    ]) {
      const length = JSON.stringify(toPlain(value)).length;
      expect(Math.abs(sizeOf(value) - length)).toBeLessThan(length / 10);
    }
  });
});

describe("what was not written by this codec", () => {
  test.each<[string, unknown]>([
    ['Cannot read tag "$regexp": expected one of "$undefined", "$number"', { $regexp: "a" }],
    ['Cannot read tag "$"', [{ a: { $: 1 } }]],
    ['Cannot read the content of tag "$undefined": expected true, got false', { $undefined: false }],
    ['of tag "$number": expected NaN', { $number: "1" }],
    ['of tag "$bigint": expected digits', { $bigint: "1.5" }],
    ['of tag "$bigint": expected digits', { $bigint: 1 }],
    ['of tag "$date": expected a number or null, got today', { $date: "today" }],
    ['of tag "$map": expected an array of pairs, got [[1]]', { $map: [[1]] }],
    ['of tag "$map": expected an array of pairs', { $map: {} }],
    ['of tag "$set": expected an array', { $set: "ab" }],
    ['of tag "$bytes": expected base64', { $bytes: "a b=" }],
    ['of tag "$bytes": expected base64', { $bytes: "abc" }],
    ['of tag "$buffer": expected base64', { $buffer: "abc" }],
    ['of tag "$bare": expected an object, got [1]', { $bare: [1] }],
    ['of tag "$wm": expected an object with "query", got {}', { $wm: {} }],
    ['Option "hops" of WM must be 0 or more', { $wm: { query: "q", hops: -1 } }],
    ['of tag "$final": expected an object with "text"', { $final: "text" }],
    ['of tag "$message": expected an object with "payload"', { $message: null }],
    ['Header "tenant" must be a non-empty string', { $message: { payload: 1, headers: {} } }],
    ["Cannot read undefined: expected a JSON value", undefined],
    ["Cannot read the bigint 1: expected a JSON value", [1n]],
    ["Cannot read an instance of Date: expected a JSON value", { a: new Date(0) }],
  ])("is refused: %s", (message, plain) => {
    expect(() => fromPlain(plain)).toThrow(message);
  });
});
