import {
  AgentCard,
  type AgentProvider,
  type AgentSkill,
  type SecurityRequirement,
  type SecurityScheme,
} from "@a2a-js/sdk";
import { EXTENSION } from "../wire.ts";

/** A skill of an agent. */
export interface Skill extends Pick<AgentSkill, "id" | "description"> {
  /** Display name. @defaultValue `id` */
  readonly name?: string;
  /** Tags for discovery. @defaultValue `id` */
  readonly tags?: readonly string[];
  /** Example prompts. @defaultValue none */
  readonly examples?: readonly string[];
  /** Accepted media types. @defaultValue those of the card */
  readonly inputModes?: readonly string[];
  /** Produced media types. @defaultValue those of the card */
  readonly outputModes?: readonly string[];
}

/** Description of an agent. The adapter adds its interfaces and capabilities. */
export interface Card {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  /** Skills, at least one. */
  readonly skills: readonly Skill[];
  readonly provider?: AgentProvider;
  readonly documentationUrl?: string;
  readonly iconUrl?: string;
  /** Accepted media types. @defaultValue text and JSON */
  readonly defaultInputModes?: readonly string[];
  /** Produced media types. @defaultValue text and JSON */
  readonly defaultOutputModes?: readonly string[];
  readonly securitySchemes?: Readonly<Record<string, SecurityScheme>>;
  readonly securityRequirements?: readonly SecurityRequirement[];
}

/** Path of the JSON-RPC interface, below the agent's URL. */
export const JSON_RPC_PATH = "/a2a/jsonrpc";
export const REST_PATH = "/a2a/rest";

/** Name of gRPC in the protocol. */
export const GRPC = "GRPC";

const versions = (isLegacyServed: boolean): string[] => (isLegacyServed ? ["1.0", "0.3"] : ["1.0"]);
const MODES = ["text/plain", "application/json"];

/**
 * Builds the agent card in the protocol's form.
 *
 * @throws TypeError when a text that every card needs is missing, or there is no skill
 */
export function agentCardOf(card: Card, pushNotifications: boolean): AgentCard {
  for (const key of ["name", "description", "version"] as const)
    if (typeof card[key] !== "string" || card[key] === "")
      throw new TypeError(`Option "card.${key}" must be a non-empty string: got ${JSON.stringify(card[key])}`);
  if (!Array.isArray(card.skills) || card.skills.length === 0)
    throw new TypeError('Option "card.skills" must have at least one skill: got none, and clients refuse such a card');
  return serialisable({
    name: card.name,
    description: card.description,
    version: card.version,
    supportedInterfaces: [],
    provider: card.provider,
    documentationUrl: card.documentationUrl,
    iconUrl: card.iconUrl,
    capabilities: {
      streaming: true,
      pushNotifications,
      extendedAgentCard: false,
      extensions: [
        {
          uri: EXTENSION,
          description: "Takes skill, topic, priority, deadline and budget from metadata; any tenant may be named",
          required: false,
          params: undefined,
        },
      ],
    },
    securitySchemes: { ...card.securitySchemes },
    securityRequirements: [...(card.securityRequirements ?? [])],
    defaultInputModes: [...(card.defaultInputModes ?? MODES)],
    defaultOutputModes: [...(card.defaultOutputModes ?? MODES)],
    skills: card.skills.map(skillOf),
    signatures: [],
  });
}

/** Converts a card to the protocol's JSON: the SDK would serve its in-memory form. */
function serialisable(card: AgentCard): AgentCard {
  return Object.defineProperty(card, "toJSON", { value: () => AgentCard.toJSON(card) });
}

/** Lists the interfaces of an agent at `base`: both bindings in the current version, then in an older one. */
export function interfacesAt(base: string, isLegacyServed: boolean): AgentCard["supportedInterfaces"] {
  return versions(isLegacyServed).flatMap((protocolVersion) => [
    { url: base + JSON_RPC_PATH, protocolBinding: "JSONRPC", tenant: "", protocolVersion },
    { url: base + REST_PATH, protocolBinding: "HTTP+JSON", tenant: "", protocolVersion },
  ]);
}

/** Lists the gRPC interfaces of an agent at `host:port`. */
export function grpcInterfacesAt(address: string, isLegacyServed: boolean): AgentCard["supportedInterfaces"] {
  return versions(isLegacyServed).map((protocolVersion) => {
    return { url: address, protocolBinding: GRPC, tenant: "", protocolVersion };
  });
}

function skillOf({ id, name = id, description, tags, examples, inputModes, outputModes }: Skill): AgentSkill {
  return {
    id,
    name,
    description,
    tags: tags === undefined || tags.length === 0 ? [id] : [...tags],
    examples: [...(examples ?? [])],
    inputModes: [...(inputModes ?? [])],
    outputModes: [...(outputModes ?? [])],
    securityRequirements: [],
  };
}
