import type { Json } from "@penguiflow/planner";

/** The style of a value in a path, query, header, cookie or form. */
export interface Style {
  readonly style: string;
  readonly explode: boolean;
  /** Whether characters that URLs reserve stay as they are. */
  readonly allowReserved?: boolean | undefined;
}

type Fields = Readonly<Record<string, Json>>;

/**
 * Percent-encodes all but the unreserved characters of RFC 3986. Reserved ones may stay, except those that would begin
 * another value.
 */
export function encode(text: string, allowReserved = false): string {
  const encoded = encodeURIComponent(text.toWellFormed());
  if (allowReserved) return encoded.replace(/%(?:3B|2C|2F|3F|3A|40|3D|24|5B|5D)/g, decodeURIComponent);
  return encoded.replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Converts a value inside a list or object to text. What is nested deeper is written as JSON. */
export function textOf(value: Json): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** Serialises a value of a path: `simple`, `label` or `matrix`. */
export function inPath(name: string, value: Json, { style, explode }: Style): string {
  const start = style === "label" ? "." : style === "matrix" ? ";" : "";
  const between = explode && start !== "" ? start : ",";
  const prefix = style === "matrix" ? `${encode(name)}=` : "";
  if (isList(value)) {
    const items = value.map((item) => encode(textOf(item)));
    return explode && style === "matrix"
      ? items.map((item) => `;${prefix}${item}`).join("")
      : `${start}${prefix}${items.join(between)}`;
  }
  if (isFields(value)) {
    const pairs = fieldsOf(value).map(([key, item]) => [encode(key), encode(textOf(item))] as const);
    return explode
      ? start + pairs.map(([key, item]) => `${key}=${item}`).join(between)
      : `${start}${prefix}${pairs.flat().join(",")}`;
  }
  return `${start}${prefix}${encode(textOf(value))}`;
}

/** Serialises a value of a header: `simple`, without percent-encoding. */
export function inHeader(value: Json, { explode }: Style): string {
  if (isList(value)) return value.map(textOf).join(",");
  if (!isFields(value)) return textOf(value);
  return fieldsOf(value)
    .map(([key, item]) => `${key}${explode ? "=" : ","}${textOf(item)}`)
    .join(",");
}

/**
 * Serialises a value of a query, cookie or form into encoded `name=value` pairs: `form`, `spaceDelimited`,
 * `pipeDelimited` or `deepObject`.
 */
export function inQuery(name: string, value: Json, { style, explode, allowReserved }: Style): string[] {
  const encoded = (text: string): string => encode(text, allowReserved);
  const pair = (key: string, text: string): string => `${encode(key)}=${text}`;
  if (style === "deepObject" && isFields(value)) return deepPairs(encode(name), value, encoded);
  if (isList(value)) {
    const items = value.map((item) => encoded(textOf(item)));
    if (explode) return items.map((item) => pair(name, item));
    // no list: an empty one cannot be told from one empty text
    return items.length === 0 ? [] : [pair(name, items.join(DELIMITERS[style] ?? ","))];
  }
  if (isFields(value)) {
    const pairs = fieldsOf(value).map(([key, item]) => [key, encoded(textOf(item))] as const);
    if (explode) return pairs.map(([key, item]) => pair(key, item));
    const flat = pairs.map(([key, item]) => `${encode(key)}${DELIMITERS[style] ?? ","}${item}`);
    return flat.length === 0 ? [] : [pair(name, flat.join(DELIMITERS[style] ?? ","))];
  }
  return [pair(name, encoded(textOf(value)))];
}

const DELIMITERS: Readonly<Record<string, string>> = { spaceDelimited: "%20", pipeDelimited: "%7C" };

/** Writes `name[key]=value`, deeper objects as further brackets and lists as repeated keys. */
function deepPairs(name: string, value: Json, encoded: (text: string) => string): string[] {
  if (isFields(value))
    return fieldsOf(value).flatMap(([key, item]) => deepPairs(`${name}%5B${encode(key)}%5D`, item, encoded));
  if (isList(value)) return value.flatMap((item) => deepPairs(name, item, encoded));
  return [`${name}=${encoded(textOf(value))}`];
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isFields(value: Json): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Lists the fields that are sent: a null is an absent value here. */
function fieldsOf(value: Fields): [string, Json][] {
  return Object.entries(value).filter(([, item]) => item !== null);
}
