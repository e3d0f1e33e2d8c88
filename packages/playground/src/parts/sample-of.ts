/** Makes a value that has the shape of a JSON Schema, as a start to be edited. A flow without a schema gets a text. */
export function sampleOf(schema: unknown, takesText = false, depth = 0): unknown {
  if (!isRecord(schema)) return takesText ? "" : {};
  if ("default" in schema) return schema["default"];
  if ("const" in schema) return schema["const"];
  for (const key of ["examples", "enum", "anyOf", "oneOf", "allOf"]) {
    const list: unknown = schema[key];
    if (!Array.isArray(list) || list.length === 0) continue;
    const first: unknown = list[0];
    return key.endsWith("Of") ? sampleOf(first, false, depth + 1) : first;
  }
  const type: unknown = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
  switch (type) {
    case "string":
      return "";
    case "number":
    case "integer":
      return typeof schema["minimum"] === "number" ? schema["minimum"] : 0;
    case "boolean":
      return false;
    case "null":
      return null;
    case "array":
      return [];
    default: {
      // a schema may name itself
      if (!isRecord(schema["properties"]) || depth > 6) return {};
      const required = Array.isArray(schema["required"]) ? schema["required"] : [];
      const entries = Object.entries(schema["properties"]);
      const wanted = required.length === 0 ? entries : entries.filter(([name]) => required.includes(name));
      return Object.fromEntries(wanted.map(([name, inner]) => [name, sampleOf(inner, false, depth + 1)]));
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
