import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import type { JsonSchema } from "@penguiflow/planner";
import type { Schema } from "penguiflow";
import type { McpCaller, McpToolInit, ServedFlow } from "./mcp-server-options.ts";
import { jsonSchemaOf, toldSchema } from "./told-schemas.ts";

/** A tool of the server, with its schemas made and checked. */
export interface ServedTool {
  readonly name: string;
  readonly init: McpToolInit;
  readonly input: StandardSchemaWithJSON;
  readonly output: StandardSchemaWithJSON | undefined;
  /** Makes the flow's payload of checked arguments. @throws ArgumentsRefused for what the schema refuses */
  payloadOf(args: Readonly<Record<string, unknown>>, caller: McpCaller): Promise<unknown>;
  /** Makes the value that clients get of a result. */
  resultOf(value: unknown): Promise<unknown>;
}

/** The error of arguments or a result that do not fit. */
export class Misfit extends Error {}

/** Property that holds arguments whose schema is not of an object, as MCP wants one. */
const WRAPPED = "input";

/**
 * Makes a tool of a flow. Schemas are written here: one that cannot be told would make the whole list fail later.
 *
 * @throws TypeError for a name or schema that clients cannot be told
 */
export function servedTool(init: McpToolInit): ServedTool {
  const { flow, description, name = flow.name, payload } = init;
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name))
    throw new TypeError(
      `Cannot serve flow "${flow.name}": its name must be 1 to 64 of A-Z, a-z, 0-9, _, - and ., got "${name}"`,
    );
  if (typeof description !== "string" || description === "")
    throw new TypeError(`Cannot serve "${name}": option "description" must be a non-empty string`);
  const told = inputOf(name, init);
  const isWrapped = told["type"] !== "object";
  const wrapped: JsonSchema = { type: "object", properties: { [WRAPPED]: told }, required: [WRAPPED] };
  const output = outputOf(name, init);
  return {
    name,
    init,
    input: compiled(name, "input", isWrapped ? wrapped : told),
    output: output === undefined ? undefined : compiled(name, "output", output),
    async payloadOf(args, caller) {
      const given = isWrapped ? args[WRAPPED] : args;
      const value = init.input === undefined ? given : await parsed(init.input, given, "the arguments do not fit");
      return payload === undefined ? value : payload(value as never, caller);
    },
    async resultOf(value) {
      // the parsed value: clients refuse keys and types that the schema does not tell
      return init.output === undefined ? value : await parsed(init.output, value, "the result does not fit");
    },
  };
}

function inputOf(name: string, { flow, input, inputSchema }: McpToolInit): JsonSchema {
  if (inputSchema !== undefined) return inputSchema;
  const schema = input ?? onlySchema(flow, "entry");
  if (schema === undefined) return { type: "object" };
  try {
    return jsonSchemaOf(schema, "input");
  } catch (error) {
    throw unwritable(name, "input", error, 'pass "inputSchema"');
  }
}

function outputOf(name: string, { flow, output }: McpToolInit): JsonSchema | undefined {
  const schema = output ?? onlySchema(flow, "exit");
  if (schema === undefined) return undefined;
  try {
    return jsonSchemaOf(schema, "output");
  } catch (error) {
    // a schema that was made for other readers
    if (output === undefined) return undefined;
    throw unwritable(name, "output", error, 'leave "output" out');
  }
}

/** Returns the schema of the flow's only entry or exit node. */
function onlySchema({ graph }: ServedFlow, end: "entry" | "exit"): Schema<unknown, unknown> | undefined {
  const [only, ...others] = graph.vertices.filter(({ isIngress, isEgress }) =>
    end === "entry" ? isIngress : isEgress,
  );
  if (only === undefined || others.length > 0) return undefined;
  return end === "entry" ? only.node.input : only.node.output;
}

function compiled(name: string, side: "input" | "output", schema: JsonSchema): StandardSchemaWithJSON {
  try {
    return toldSchema(schema);
  } catch (error) {
    throw unwritable(name, side, error, "correct it");
  }
}

function unwritable(name: string, side: string, cause: unknown, fix: string): TypeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TypeError(`Cannot serve "${name}": its ${side} cannot be told to clients: ${reason}; ${fix}`, { cause });
}

async function parsed(schema: Schema<unknown, unknown>, value: unknown, problem: string): Promise<unknown> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => {
    const keys = path.map((step) => String(typeof step === "object" ? step.key : step));
    return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
  });
  throw new Misfit(`${problem}: ${issues.join("; ")}`);
}
