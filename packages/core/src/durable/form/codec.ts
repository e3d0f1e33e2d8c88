import { describeThrown } from "../../foundation/flow-error.ts";
import { FinalAnswer, type FinalAnswerInit, WM, type WMInit } from "../../message/controller.ts";
import { Message, type MessageInit } from "../../message/message.ts";
import { Transient } from "../../message/transient.ts";

/*
 * Encoding of values in the checkpoint store. Values that JSON can represent are stored as they are; all others under a
 * tag: an object with a single key that begins with "$". A plain object of that shape gets one more "$".
 *
 *   undefined                          {"$undefined":true}
 *   NaN, Infinity, -Infinity, -0       {"$number":"NaN"}
 *   bigint                             {"$bigint":"12"}
 *   Date                               {"$date":0}, epoch milliseconds; null when it is invalid
 *   Map                                {"$map":[[key,value],…]}
 *   Set                                {"$set":[value,…]}
 *   Uint8Array                         {"$bytes":"AAE="}, base64
 *   Buffer                             {"$buffer":"AAE="}, base64
 *   an object without prototype        {"$bare":{"key":value,…}}
 *   WM                                 {"$wm":{"query":…,"facts":[…],…}}
 *   FinalAnswer                        {"$final":{"text":…,"citations":[…]}}
 *   Message                            {"$message":{"payload":…,"headers":{…},"traceId":…,"createdAt":…,"meta":{…}}}
 *   Transient                          {"$transient":true}, without its value
 *   the plain object {"$date":0}       {"$$date":0}
 *
 * A checkpoint store outlives the program that wrote it: tags may be added, but never change their meaning.
 */

/** The reason why a value cannot be stored. */
export interface Unfit {
  readonly code: "NOT_SERIALISABLE" | "PAYLOAD_TOO_LARGE";
  /** Path of the unfit part: `payload.user.tags[2]`; in a Map, `payload.get("key")` or `payload.keys()[0]`. */
  readonly path: string;
  /** Description of the part and of the accepted data. */
  readonly problem: string;
}

/** Maximum nesting. Deeper values could overflow the stack of code that writes or reads them. */
const MAX_DEPTH = 500;

const WANTED =
  "expected data: null, booleans, numbers, strings, bigints, undefined, and arrays, plain objects, Maps, Sets, Dates, Uint8Arrays, Buffers, WMs, FinalAnswers and Messages of them, and Transients";

/**
 * Finds the first part of a value that is not data, or reports its size. Parts are visited in order, and no further
 * than `maxBytes`.
 *
 * The text of the problem lists the accepted data. A value whose restored form would differ is refused:
 *
 * - an array with a hole
 * - a property that is not enumerable or has a symbol key
 * - a property added to an array, Map, Set or Date, such as the `index` of a match
 *
 * An array element with a getter is read. A text-named property added to bytes is neither found nor written: JavaScript
 * lists such properties only together with every index.
 *
 * @param root - the start of paths: `payload`
 * @param maxBytes - maximum length of the JSON text, roughly and in characters: escapes are not counted, and numbers
 *   count as their usual number of digits
 */
export function unfitness(value: unknown, root: string, maxBytes: number): Unfit | undefined {
  return roomAfter(value, maxBytes, 0) < 0 ? explained(root, maxBytes) : undefined;
}

/**
 * Converts a fit value to plain JSON data; returns the value itself where nothing changes. {@link fromPlain} restores
 * an equal value. An object in two places becomes two, and frozen objects and arrays become mutable.
 *
 * @param value - one in which {@link unfitness} has found nothing
 * @throws TypeError when a part of the value is not data
 */
export function toPlain(value: unknown): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "undefined":
      return { $undefined: true };
    case "bigint":
      return { $bigint: String(value) };
    case "object":
      return value === null ? null : objectToPlain(value);
    case "function":
    case "symbol":
      throw new TypeError(`Cannot write ${describe(value)}: ${WANTED}`);
  }
}

/**
 * Restores a value from {@link toPlain}, even after a round trip through JSON.
 *
 * @throws TypeError when a tag is unknown, its content is malformed, or the value is none that JSON has
 * @throws RangeError when a tag's content is out of the range of its class
 */
export function fromPlain(plain: unknown): unknown {
  if (plain === null || typeof plain === "string" || typeof plain === "number" || typeof plain === "boolean")
    return plain;
  if (typeof plain !== "object" || !(Array.isArray(plain) || isPlainObject(plain))) {
    throw new TypeError(`Cannot read ${describe(plain)}: expected a JSON value`);
  }
  const tag = tagOf(plain);
  if (tag === undefined) return withParts(plain, fromPlain);
  const content = (plain as Record<string, unknown>)[tag];
  if (tag.startsWith("$$")) return { [tag.slice(1)]: fromPlain(content) };
  const read = READERS.get(tag);
  if (read === undefined) {
    throw new TypeError(`Cannot read tag "${tag}": expected one of "${[...READERS.keys()].join('", "')}"`);
  }
  return read(content);
}

/** Returns the path of the first {@link Transient} in a value that {@link toPlain} has written, as in `payload.text`. */
export function transientIn(plain: unknown, path: string): string | undefined {
  if (typeof plain !== "object" || plain === null) return undefined;
  if (tagOf(plain) === "$transient") return path;
  for (const [key, part] of Object.entries(plain)) {
    const isTag = key.startsWith("$") && tagOf(plain) === key;
    const found = transientIn(part, isTag ? path : `${path}${Array.isArray(plain) ? `[${key}]` : stepTo(key)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Measures and writes one class of data. */
interface Kind<Value extends object> {
  /** Returns the room left after the value, as {@link roomAfter} does. */
  measure(value: Value, room: number, depth: number): number;
  write(value: Value): object;
}

/** Node's Buffer, where available. */
const { Buffer } = globalThis as {
  readonly Buffer?: { readonly prototype: Uint8Array; from(memory: ArrayBufferLike): Uint8Array };
};

const bytesUnder = (tag: "$bytes" | "$buffer"): Kind<Uint8Array> => ({
  measure: (bytes, room) => {
    if (Object.prototype.toString.call(bytes.buffer) === "[object SharedArrayBuffer]")
      return unfit(`bytes in shared memory, which others may change; ${WANTED}`);
    const [symbol] = Object.getOwnPropertySymbols(bytes);
    if (symbol !== undefined) return added(bytes, symbol);
    return room - 10 - tag.length - Math.ceil(bytes.length / 3) * 4;
  },
  write: (bytes) => ({ [tag]: toBase64(bytes) }),
});

const KINDS: ReadonlyMap<object, Kind<object>> = new Map<object, Kind<object>>([
  [
    Date.prototype,
    {
      measure: (date: Date, room) => (hasAdded(date) ? added(date) : room - (Number.isNaN(date.getTime()) ? 14 : 23)),
      // the invalid date's time is NaN, for which JSON writes null
      write: (date: Date) => ({ $date: Number.isNaN(date.getTime()) ? null : date.getTime() }),
    },
  ],
  [
    Map.prototype,
    {
      measure: roomAfterMap,
      write: (map: ReadonlyMap<unknown, unknown>) => ({
        $map: Array.from(map, ([key, part]) => [toPlain(key), toPlain(part)]),
      }),
    },
  ],
  [
    Set.prototype,
    { measure: roomAfterSet, write: (set: ReadonlySet<unknown>) => ({ $set: Array.from(set, toPlain) }) },
  ],
  [Uint8Array.prototype, bytesUnder("$bytes")],
  ...(Buffer === undefined ? [] : ([[Buffer.prototype, bytesUnder("$buffer")]] as const)),
  [
    WM.prototype,
    {
      measure: (wm: WM, room, depth) => misfit(wm, WM_FIELDS) ?? roomAfterFields(wm, wm, room - 8, depth),
      write: (wm: WM) => ({ $wm: withParts(Object.assign({}, wm), toPlain) }),
    },
  ],
  [
    FinalAnswer.prototype,
    {
      measure: (answer: FinalAnswer, room, depth) =>
        misfit(answer, ANSWER_FIELDS) ?? roomAfterFields(answer, answer, room - 11, depth),
      write: (answer: FinalAnswer) => ({ $final: withParts(Object.assign({}, answer), toPlain) }),
    },
  ],
  [
    Message.prototype,
    {
      measure: (message: Message, room, depth) =>
        misfit(message, MESSAGE_FIELDS) ?? roomAfterFields(message, fieldsOf(message), room - 13, depth),
      write: (message: Message) => ({ $message: withParts(fieldsOf(message), toPlain) }),
    },
  ],
  [Transient.prototype, { measure: (_, room) => room - 19, write: () => ({ $transient: true }) }],
]);

/** Readers that restore the content of each tag. */
const READERS: ReadonlyMap<string, (content: unknown) => unknown> = new Map<string, (content: unknown) => unknown>([
  ["$undefined", (content) => (content === true ? undefined : malformed("$undefined", "true", content))],
  [
    "$number",
    (content) =>
      content === "NaN" || content === "Infinity" || content === "-Infinity" || content === "-0"
        ? Number(content)
        : malformed("$number", "NaN, Infinity, -Infinity or -0", content),
  ],
  [
    "$bigint",
    (content) =>
      typeof content === "string" && /^-?\d+$/.test(content)
        ? BigInt(content)
        : malformed("$bigint", "digits in a string", content),
  ],
  [
    "$date",
    (content) =>
      content === null || typeof content === "number"
        ? new Date(content ?? Number.NaN)
        : malformed("$date", "a number or null", content),
  ],
  [
    "$map",
    (content) =>
      Array.isArray(content) && content.every((entry) => Array.isArray(entry) && entry.length === 2)
        ? new Map((content as Array<[unknown, unknown]>).map(([key, part]) => [fromPlain(key), fromPlain(part)]))
        : malformed("$map", "an array of pairs", content),
  ],
  [
    "$set",
    (content) => (Array.isArray(content) ? new Set(content.map(fromPlain)) : malformed("$set", "an array", content)),
  ],
  ["$bytes", (content) => fromBase64("$bytes", content)],
  [
    "$buffer",
    (content) => {
      if (Buffer === undefined) throw new TypeError("Cannot read a Buffer: this JavaScript runtime has none");
      return Buffer.from(fromBase64("$buffer", content).buffer);
    },
  ],
  [
    "$bare",
    (content) =>
      typeof content === "object" && content !== null && !Array.isArray(content)
        ? Object.assign(Object.create(null) as object, withParts(content, fromPlain))
        : malformed("$bare", "an object", content),
  ],
  ["$wm", (content) => new WM(fieldsFrom("$wm", "query", content) as WMInit<unknown>)],
  ["$final", (content) => new FinalAnswer(fieldsFrom("$final", "text", content) as FinalAnswerInit<unknown>)],
  ["$transient", (content) => (content === true ? new Transient() : malformed("$transient", "true", content))],
  ["$message", (content) => new Message(fieldsFrom("$message", "payload", content) as MessageInit<unknown>)],
]);

function malformed(tag: string, wanted: string, content: unknown): never {
  throw new TypeError(`Cannot read the content of tag "${tag}": expected ${wanted}, got ${describeThrown(content)}`);
}

/** Reads the fields of an instance from its tag's content. `always` names the mandatory one. */
function fieldsFrom(tag: string, always: string, content: unknown): object {
  if (typeof content !== "object" || content === null || !Object.hasOwn(content, always)) {
    malformed(tag, `an object with "${always}"`, content);
  }
  return withParts(content, fromPlain);
}

function fieldsOf({ payload, headers, traceId, createdAt, deadlineAt, meta }: Message): object {
  const fields = { payload, headers: { ...headers }, traceId, createdAt, meta };
  return deadlineAt === undefined ? fields : { ...fields, deadlineAt };
}

function objectToPlain(value: object): object {
  if (Array.isArray(value)) return withParts(value, toPlain);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return { $bare: withParts(value, toPlain) };
  if (prototype === Object.prototype) {
    const tag = tagOf(value);
    if (tag === undefined) return withParts(value, toPlain);
    return { [`$${tag}`]: toPlain((value as Record<string, unknown>)[tag]) };
  }
  const kind = kindOf(value);
  if (kind === undefined) throw new TypeError(`Cannot write ${describe(value)}: ${WANTED}`);
  return kind.write(value);
}

const kindOf = (value: object): Kind<object> | undefined => KINDS.get(Object.getPrototypeOf(value) as object);

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Returns the only key of an object, if it begins with `$`. */
function tagOf(value: object): string | undefined {
  let tag: string | undefined;
  for (const key in value) {
    if (!isOwn.call(value, key)) continue;
    if (tag !== undefined || !key.startsWith("$")) return undefined;
    tag = key;
  }
  return tag;
}

/** Returns an array or plain object with its parts converted; the same object if no part changes. */
function withParts(value: object, convert: (part: unknown) => unknown): object {
  let copy: object | undefined;
  if (Array.isArray(value)) {
    const parts: readonly unknown[] = value;
    for (let index = 0; index < parts.length; index += 1) {
      const part = convert(parts[index]);
      if (part !== parts[index]) ((copy ??= [...parts]) as unknown[])[index] = part;
    }
    return copy ?? value;
  }
  for (const key in value) {
    if (!isOwn.call(value, key)) continue;
    const before = (value as Record<string, unknown>)[key];
    const part = convert(before);
    // the spread has made even "__proto__" an own property, so this assignment sets it
    if (part !== before) ((copy ??= { ...value }) as Record<string, unknown>)[key] = part;
  }
  return copy ?? value;
}

// The measuring walk. It allocates only the lists of names and symbols of a plain object, and the names of an array.

// Faster in a loop over keys than `Object.hasOwn`; finds accessors without creating a descriptor.
const {
  hasOwnProperty: isOwn,
  __lookupGetter__: getterOf,
  __lookupSetter__: setterOf,
} = Object.prototype as unknown as {
  readonly hasOwnProperty: (this: object, key: string) => boolean;
  readonly __lookupGetter__: (this: object, key: string) => unknown;
  readonly __lookupSetter__: (this: object, key: string) => unknown;
};

/**
 * The reason why the walk stopped, unless for lack of room, and the path, innermost step first. Empty between walks.
 */
let fault: string | undefined;
const steps: Array<{ readonly holder: object; readonly step: string }> = [];

/**
 * Returns the remainder of `room` after a value, in characters; negative when there is too little, or the value is
 * unfit.
 */
function roomAfter(value: unknown, room: number, depth: number): number {
  switch (typeof value) {
    case "string":
      return room - value.length - 2;
    case "number":
      return room - (!Number.isInteger(value) ? 18 : value > -1000 && value < 1000 ? 3 : 10);
    case "boolean":
      return room - 5;
    case "undefined":
      return room - 19;
    case "bigint":
      return room - 14 - String(value).length;
    case "object":
      if (value === null) return room - 4;
      if (depth === MAX_DEPTH) return unfit(`nested more than ${MAX_DEPTH} levels deep`);
      try {
        if (Array.isArray(value)) return roomAfterArray(value, room, depth);
        if (isPlainObject(value))
          return roomAfterFields(value, value, Object.getPrototypeOf(value) === null ? room - 10 : room, depth);
        const kind = kindOf(value);
        return kind === undefined ? unfit(`${describe(value)}; ${WANTED}`) : kind.measure(value, room, depth);
      } catch (error) {
        return unfit(`an object that cannot be read (${describeThrown(error)}); ${WANTED}`);
      }
    case "function":
    case "symbol":
      return unfit(`${describe(value)}; ${WANTED}`);
  }
}

function roomAfterArray(value: readonly unknown[], before: number, depth: number): number {
  if (Object.getPrototypeOf(value) !== Array.prototype) return unfit(`${describe(value)}; ${WANTED}`);
  let room = before - 2;
  for (let index = 0; index < value.length; index += 1) {
    const part = value[index];
    room =
      part === undefined && !Object.hasOwn(value, index)
        ? unfit(`a hole in an array; ${WANTED}`)
        : roomAfter(part, room - 1, depth + 1);
    if (room < 0) return stopped(value, `[${index}]`);
  }
  // an array without holes and added properties has its indices and "length", in this order
  const names = Object.getOwnPropertyNames(value);
  if (names.length > value.length + 1) return added(value, names[value.length + 1]);
  const [symbol] = Object.getOwnPropertySymbols(value);
  return symbol === undefined ? room : added(value, symbol);
}

/** Returns the room left after the fields of `holder`, an instance or plain object. */
function roomAfterFields(holder: object, fields: object, before: number, depth: number): number {
  let room = before - 2;
  let count = 0;
  for (const key in fields) {
    if (!isOwn.call(fields, key)) continue;
    count += 1;
    const hasGetter = getterOf.call(fields, key) !== undefined;
    const part = hasGetter ? undefined : (fields as Record<string, unknown>)[key];
    const isAccessor = hasGetter || (part === undefined && setterOf.call(fields, key) !== undefined);
    room = isAccessor ? unfit(`an accessor; ${WANTED}`) : roomAfter(part, room - key.length - 4, depth + 1);
    if (room < 0) return stopped(holder, stepTo(key));
  }
  const [symbol] = Object.getOwnPropertySymbols(fields);
  if (symbol !== undefined) {
    unfit(`a property whose key is a symbol; ${WANTED}`);
    return stopped(holder, `[${String(symbol)}]`);
  }
  const names = Object.getOwnPropertyNames(fields);
  if (names.length === count) return room;
  unfit(`a property that is not enumerable; ${WANTED}`);
  const hidden = names.find((name) => !Object.prototype.propertyIsEnumerable.call(fields, name));
  return stopped(holder, stepTo(hidden ?? ""));
}

function roomAfterMap(map: ReadonlyMap<unknown, unknown>, before: number, depth: number): number {
  if (hasAdded(map)) return added(map);
  let room = before - 11;
  let index = 0;
  for (const [key, part] of map) {
    room = roomAfter(key, room - 4, depth + 1);
    if (room < 0) return stopped(map, `.keys()[${index}]`);
    room = roomAfter(part, room, depth + 1);
    if (room < 0) return stopped(map, typeof key === "object" ? `.values()[${index}]` : `.get(${nameOf(key)})`);
    index += 1;
  }
  return room;
}

function roomAfterSet(set: ReadonlySet<unknown>, before: number, depth: number): number {
  if (hasAdded(set)) return added(set);
  let room = before - 11;
  let index = 0;
  for (const part of set) {
    room = roomAfter(part, room - 1, depth + 1);
    if (room < 0) return stopped(set, `.values()[${index}]`);
    index += 1;
  }
  return room;
}

/** Whether an object of a class without own properties has been given some. */
const hasAdded = (value: object): boolean => Reflect.ownKeys(value).length > 0;

/** Reports an added property of a value that should have none. */
function added(value: object, key: string | symbol | undefined = Reflect.ownKeys(value)[0]): number {
  const what = Array.isArray(value) ? "an array" : describe(value);
  unfit(`a property added to ${what}, which would be lost; copy it into a plain object; ${WANTED}`);
  return stopped(value, typeof key === "string" ? stepTo(key) : `[${String(key)}]`);
}

/**
 * The keys that each constructor sets, in order. Production does not freeze instances, so properties may have been
 * added.
 */
const WM_FIELDS: readonly PropertyKey[] = Reflect.ownKeys(new WM({ query: "" }));
const ANSWER_FIELDS: readonly PropertyKey[] = Reflect.ownKeys(new FinalAnswer({ text: "" }));
const MESSAGE_FIELDS: readonly PropertyKey[] = Reflect.ownKeys(
  new Message({ payload: null, traceId: "t", createdAt: 0 }),
);

/** Stops at an instance that lacks a field of its class or has an extra one; returns `undefined` for an intact one. */
function misfit(value: object, fields: readonly PropertyKey[]): number | undefined {
  const keys = Reflect.ownKeys(value);
  if (!fields.every((field) => Object.hasOwn(value, field)))
    return unfit(`${describe(value)} without its fields; ${WANTED}`);
  return keys.length === fields.length
    ? undefined
    : added(
        value,
        keys.find((key) => !fields.includes(key)),
      );
}

function unfit(problem: string): number {
  fault = problem;
  return -1;
}

function stopped(holder: object, step: string): number {
  steps.push({ holder, step });
  return -1;
}

/**
 * Builds the explanation for a stopped walk. If the value is only too deep or too large, this is where it is noticed.
 */
function explained(root: string, maxBytes: number): Unfit {
  const [problem, way] = [fault, steps.splice(0).reverse()];
  fault = undefined;
  const paths = new Map<object, string>();
  let path = root;
  for (const { holder, step } of way) {
    const first = paths.get(holder);
    if (first !== undefined) {
      return { code: "NOT_SERIALISABLE", path, problem: `the same object as ${first}, which contains it; ${WANTED}` };
    }
    paths.set(holder, path);
    path += step;
  }
  if (problem !== undefined) return { code: "NOT_SERIALISABLE", path, problem };
  return {
    code: "PAYLOAD_TOO_LARGE",
    path: root,
    problem: `longer than ${maxBytes} characters as JSON text`,
  };
}

const stepTo = (key: string): string =>
  /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;

const nameOf = (key: unknown): string => (typeof key === "string" ? JSON.stringify(key) : String(key));

function describe(value: unknown): string {
  try {
    if (typeof value === "function") return value.name === "" ? "a function" : `the function "${value.name}"`;
    if (typeof value !== "object" || value === null) {
      return value === undefined ? "undefined" : `the ${typeof value} ${describeThrown(value)}`;
    }
    if (value instanceof Error) return "an Error, which errorPayload(error) makes data";
    if (value instanceof Promise) return "a Promise, which was not awaited";
    const name: unknown = value.constructor?.name;
    return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an instance of a class";
  } catch {
    return "a value that cannot be read";
  }
}

function fromBase64(tag: string, content: unknown): Uint8Array {
  return typeof content === "string" && content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(content)
    ? Uint8Array.from(atob(content), (character) => character.charCodeAt(0))
    : malformed(tag, "base64 in a string", content);
}

/** Encodes bytes as base64 without Node's own functions. */
function toBase64(bytes: Uint8Array): string {
  let text = "";
  // a call accepts a limited number of arguments
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}
