import { AgentCard } from "@a2a-js/sdk";
import {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from "@a2a-js/sdk/client";
import { type FlowError, systemClock } from "penguiflow";
import type { A2AClientOptions } from "./a2a-client-transport.ts";
import { countedFetch, requestSignal } from "./counted-fetch.ts";
import { errorOf, refused } from "./failures.ts";
import { type Calls, grpcClient } from "./grpc-client.ts";

/** Protocol binding of A2A. */
export type Binding = "JSONRPC" | "HTTP+JSON" | "GRPC";

/** Maximum number of cached agents. */
const MOST_AGENTS = 100;

/** An agent, with its client. */
export interface Agent {
  readonly card: AgentCard;
  readonly client: Calls;
}

/** Cache of agents, whose cards expire. */
export class Agents {
  readonly #options: A2AClientOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #known = new Map<string, { readonly agent: Promise<Agent>; readonly until: number }>();

  constructor(options: A2AClientOptions) {
    this.#options = options;
    this.#fetch = countedFetch(options.fetch ?? ((input, init) => globalThis.fetch(input, init)));
  }

  /** Finds the agent at a URL. @param headers - for the request of its card */
  find(agentUrl: string, headers: Readonly<Record<string, string>>): Promise<Agent> {
    const now = systemClock.now();
    const known = this.#known.get(agentUrl);
    if (known !== undefined && known.until > now) return known.agent;
    const agent = this.#resolve(agentUrl, headers);
    this.#known.delete(agentUrl);
    this.#known.set(agentUrl, { agent, until: now + (this.#options.cardMaxAgeMs ?? 300_000) });
    if (this.#known.size > MOST_AGENTS) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest as string);
    }
    // a failure is not cached, so the next call retries
    agent.catch(() => this.#known.delete(agentUrl));
    return agent;
  }

  async #resolve(agentUrl: string, headers: Readonly<Record<string, string>>): Promise<Agent> {
    const { timeoutMs = 30_000 } = this.#options;
    const fetchImpl = this.#fetch;
    const signal = requestSignal(new AbortController().signal, { agentUrl, onBytes: undefined, timeoutMs });
    const cardResolver = new DefaultAgentCardResolver({
      legacyCompat: { enabled: true },
      fetchImpl: (input, init = {}) =>
        fetchImpl(input, { ...init, signal, headers: { ...(init.headers as Record<string, string>), ...headers } }),
    });
    let card: AgentCard;
    try {
      // agents omit empty fields
      card = AgentCard.fromJSON(await cardResolver.resolve(agentUrl, agentUrl.endsWith(".json") ? "" : undefined));
    } catch (error) {
      throw errorOf(error, agentUrl, signal);
    }
    const usable = { ...card, supportedInterfaces: spokenOf(card) };
    if (usable.supportedInterfaces.length === 0) throw speaksNothing(agentUrl, card);
    return { card: usable, client: await this.#clientOf(usable, agentUrl) };
  }

  async #clientOf(card: AgentCard, agentUrl: string): Promise<Calls> {
    const { bindings = [], grpcTls } = this.#options;
    const fetchImpl = this.#fetch;
    const legacyCompat = { enabled: true };
    const named = bindings.flatMap((binding) => card.supportedInterfaces.filter((one) => isOf(one, binding)));
    const [first] = [...named, ...card.supportedInterfaces];
    if (first !== undefined && isOf(first, "GRPC"))
      return await grpcClient(first.url, { agentUrl, isSecure: agentUrl.startsWith("https:"), tls: grpcTls });
    const factory = new ClientFactory({
      transports: [
        new JsonRpcTransportFactory({ fetchImpl, legacyCompat }),
        new RestTransportFactory({ fetchImpl, legacyCompat }),
      ],
      preferredTransports: [...bindings],
    });
    return await factory.createFromAgentCard(card);
  }
}

type Interface = AgentCard["supportedInterfaces"][number];

function isOf({ protocolBinding }: Interface, binding: Binding): boolean {
  return protocolBinding.toUpperCase() === binding;
}

/** Lists the supported interfaces of an agent, those of gRPC last. */
function spokenOf({ supportedInterfaces }: AgentCard): Interface[] {
  const isHttp = (one: Interface): boolean => isOf(one, "JSONRPC") || isOf(one, "HTTP+JSON");
  return [
    ...supportedInterfaces.filter((one) => isHttp(one) && /^(1\.|0\.3)/.test(one.protocolVersion)),
    ...supportedInterfaces.filter((one) => isOf(one, "GRPC") && one.protocolVersion.startsWith("1.")),
  ];
}

function speaksNothing(agentUrl: string, { supportedInterfaces }: AgentCard): FlowError {
  const offered = supportedInterfaces.map(
    ({ protocolBinding, protocolVersion }) => `${protocolBinding} ${protocolVersion}`,
  );
  return refused(
    `Agent "${agentUrl}" speaks ${offered.join(", ") || "nothing"}: wanted is JSONRPC or HTTP+JSON 1.0 or 0.3, or GRPC 1.0`,
  );
}
