import { randomBytes } from "node:crypto";
import {
  auth,
  computeScopeUnion,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  OAuthError,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import type { Caller } from "@penguiflow/planner";
import { type Clock, FlowError, FlowErrorCode } from "penguiflow";
import { reasonOf } from "./failures.ts";
import type { McpHttpOptions } from "./mcp-tools-options.ts";
import { MemoryTokenStore, type TokenStore } from "./token-store.ts";
import type { Challenge } from "./transports.ts";

/** Options of signing users in to an MCP server with OAuth: authorization code with PKCE. */
export interface SignInOptions {
  /** The program's page to which the authorization server sends the browser back. It calls `finishSignIn`. */
  readonly redirectUrl: string | URL;
  /** @defaultValue in memory, for the life of the source */
  readonly store?: TokenStore | undefined;
  /** Scopes to ask for, separated by spaces, beside those that the server names. @defaultValue none */
  readonly scope?: string | undefined;
  /**
   * This program as the authorization server `issuer` knows it. A server that names another issuer is refused: it would
   * get the secret. @defaultValue the program registers itself as `clientName`
   */
  readonly client?: { readonly id: string; readonly secret?: string | undefined; readonly issuer: string } | undefined;
  /** URL of a client metadata document, for servers that take one instead of a registration. @defaultValue none */
  readonly clientMetadataUrl?: string | undefined;
  /** Name that users see when they are asked for consent. @defaultValue `"PenguiFlow"` */
  readonly clientName?: string | undefined;
  /** Milliseconds from the question until the callback. @defaultValue 600_000 */
  readonly expiresInMs?: number | undefined;
}

/** The user who has signed in. */
export interface SignedIn {
  readonly tenant: string;
  readonly user: string;
}

type Who = Pick<Caller, "tenant" | "user">;

/** A sign-in in progress. It belongs to the user who was asked, and ends with its first callback. */
interface Begun extends SignedIn {
  readonly verifier: string;
  readonly discovery: OAuthDiscoveryState;
}

interface KeptTokens {
  readonly tokens: StoredOAuthTokens;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly discovery: OAuthDiscoveryState;
}

/** Time before its end at which a token is renewed, in milliseconds. */
const RENEWAL_MS = 60_000;

/**
 * Signs users in to an MCP server.
 *
 * States of a sign-in: begun (`begin`) → finished (`finish`) | expired. Tokens: kept → renewed | forgotten.
 */
export class SignIns {
  readonly #source: string;
  readonly #server: McpHttpOptions;
  readonly #options: SignInOptions;
  readonly #store: TokenStore;
  readonly #clock: Clock;
  /** Renewals in progress: a refresh token may be used once. */
  readonly #renewals = new Map<string, Promise<string | undefined>>();
  #challenge: Challenge = {};

  constructor(source: string, server: McpHttpOptions, options: SignInOptions, clock: Clock) {
    this.#source = source;
    this.#server = server;
    this.#options = options;
    this.#clock = clock;
    this.#store = options.store ?? new MemoryTokenStore({ clock });
  }

  /** Receives what the server has said when it refused a request: the place of its metadata, and scopes it wants. */
  challenged({ resourceMetadataUrl, scope }: Challenge): void {
    this.#challenge = {
      resourceMetadataUrl: resourceMetadataUrl ?? this.#challenge.resourceMetadataUrl,
      // a scope that was wanted earlier is not given up for a further one
      scope: computeScopeUnion(this.#challenge.scope, scope),
    };
  }

  /** Begins the sign-in of a user, and gives the URL to open. */
  async begin(caller: Who): Promise<{ readonly url: string }> {
    const who = this.#requireUser(caller);
    // 256 bits: not to be guessed
    const state = randomBytes(32).toString("base64url");
    const provider = new Provider(this.#options, this.#registrations(), state);
    try {
      await auth(provider, { ...this.#authOptions(), forceReauthorization: true });
    } catch (error) {
      throw this.#failed(error);
    }
    const { url, verifier, discovery } = provider;
    if (url === undefined || verifier === undefined || discovery === undefined)
      throw this.#failed(new Error("the authorization server gave no page to open"));
    const begun: Begun = { ...who, verifier, discovery };
    const expiresAt = this.#clock.epochNow() + (this.#options.expiresInMs ?? 600_000);
    await this.#store.write(this.#key("sign-in", state), JSON.stringify(begun), expiresAt);
    return { url: url.href };
  }

  /** Ends a sign-in with the parameters of its callback. */
  async finish(params: URLSearchParams, caller: Who): Promise<SignedIn> {
    const who = this.#requireUser(caller);
    const state = params.get("state");
    const text = state === null ? undefined : await this.#store.take(this.#key("sign-in", state));
    if (text === undefined) throw this.#failed(new Error("it is unknown, expired, or was finished before"));
    const begun = JSON.parse(text) as Begun;
    // a callback that another user was lured into would sign in the wrong one
    if (begun.tenant !== who.tenant || begun.user !== who.user)
      throw this.#failed(new Error("it was begun by another user"));
    const provider = new Provider(this.#options, this.#registrations(), undefined, begun);
    try {
      const code = params.get("code");
      if (code === null) throw refusalOf(params);
      const iss = params.get("iss");
      await auth(provider, { ...this.#authOptions(), authorizationCode: code, ...(iss === null ? {} : { iss }) });
    } catch (error) {
      throw this.#failed(error);
    }
    const { saved, discovery } = provider;
    if (saved === undefined || discovery === undefined) throw this.#failed(new Error("the server gave no token"));
    await this.#keep(who, { tokens: saved, at: this.#clock.epochNow(), discovery });
    return who;
  }

  /** Returns a user's access token, renewed if it ends soon. */
  async token(caller: Who): Promise<string | undefined> {
    const { tenant, user } = caller;
    if (user === undefined) return undefined;
    const key = this.#key("tokens", tenant, user);
    const text = await this.#store.read(key);
    if (text === undefined) return undefined;
    const kept = JSON.parse(text) as KeptTokens;
    const { expires_in: seconds, access_token: token } = kept.tokens;
    if (seconds === undefined || this.#clock.epochNow() < kept.at + seconds * 1000 - RENEWAL_MS) return token;
    let renewal = this.#renewals.get(key);
    if (renewal === undefined) {
      renewal = this.#renew({ tenant, user }, kept).finally(() => this.#renewals.delete(key));
      this.#renewals.set(key, renewal);
    }
    return await renewal;
  }

  /** Forgets a token that the server refuses, unless it has been renewed meanwhile. */
  async forget({ tenant, user }: Who, token: string): Promise<void> {
    if (user === undefined) return;
    const key = this.#key("tokens", tenant, user);
    const text = await this.#store.read(key);
    if (text === undefined || (JSON.parse(text) as KeptTokens).tokens.access_token !== token) return;
    await this.#store.delete(key);
  }

  async #renew(who: SignedIn, kept: KeptTokens): Promise<string | undefined> {
    const { tokens, discovery } = kept;
    if (tokens.refresh_token === undefined) return this.#stillValid(kept);
    const provider = new Provider(this.#options, this.#registrations(), undefined, { discovery, tokens });
    try {
      await auth(provider, this.#authOptions());
    } catch (error) {
      if (!(error instanceof OAuthError)) throw this.#failed(error);
    }
    // a refresh token that is no longer taken: the user signs in again
    if (provider.saved === undefined) return this.#stillValid(kept);
    // a server that issues no new refresh token leaves the old one valid
    const renewed = { ...provider.saved, refresh_token: provider.saved.refresh_token ?? tokens.refresh_token };
    await this.#keep(who, { tokens: renewed, at: this.#clock.epochNow(), discovery });
    return renewed.access_token;
  }

  #stillValid({ tokens, at }: KeptTokens): string | undefined {
    return this.#clock.epochNow() < at + (tokens.expires_in ?? 0) * 1000 ? tokens.access_token : undefined;
  }

  async #keep({ tenant, user }: SignedIn, kept: KeptTokens): Promise<void> {
    await this.#store.write(this.#key("tokens", tenant, user), JSON.stringify(kept));
  }

  #authOptions() {
    const { scope, resourceMetadataUrl } = this.#challenge;
    const wanted = computeScopeUnion(this.#options.scope, scope);
    return {
      serverUrl: this.#server.url,
      ...(wanted === undefined ? {} : { scope: wanted }),
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
      ...(this.#server.fetch === undefined ? {} : { fetchFn: this.#server.fetch }),
    };
  }

  /** Registrations of this program, one for each authorization server. */
  #registrations(): Registrations {
    const key = (issuer: string): string => this.#key("client", issuer, String(this.#options.redirectUrl));
    return {
      read: async (issuer) => {
        const text = await this.#store.read(key(issuer));
        return text === undefined ? undefined : (JSON.parse(text) as StoredOAuthClientInformation);
      },
      write: async (issuer, client) => await this.#store.write(key(issuer), JSON.stringify(client)),
      delete: async (issuer) => await this.#store.delete(key(issuer)),
    };
  }

  #requireUser({ tenant, user }: Who): SignedIn {
    if (user !== undefined) return { tenant, user };
    throw this.#failed(new Error("the run has no user"));
  }

  #key(...parts: readonly string[]): string {
    return JSON.stringify(["mcp", this.#source, ...parts]);
  }

  #failed(cause: unknown): FlowError {
    const message = `Cannot sign in to MCP server "${this.#source}": ${reasonOf(cause)}; begin again`;
    return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message, cause });
  }
}

interface Registrations {
  read(issuer: string): Promise<StoredOAuthClientInformation | undefined>;
  write(issuer: string, client: StoredOAuthClientInformation): Promise<void>;
  delete(issuer: string): Promise<void>;
}

/** One sign-in, or one renewal, as the SDK's `auth` wants it. */
class Provider implements OAuthClientProvider {
  readonly redirectUrl: string | URL;
  readonly clientMetadata: OAuthClientMetadata;
  readonly clientMetadataUrl?: string;
  url: URL | undefined;
  verifier: string | undefined;
  discovery: OAuthDiscoveryState | undefined;
  /** Tokens that the authorization server has issued. */
  saved: StoredOAuthTokens | undefined;
  readonly #options: SignInOptions;
  readonly #registrations: Registrations;
  readonly #state: string | undefined;
  #tokens: StoredOAuthTokens | undefined;
  #issuer: string | undefined;

  constructor(
    options: SignInOptions,
    registrations: Registrations,
    state: string | undefined,
    known: {
      readonly verifier?: string;
      readonly discovery?: OAuthDiscoveryState;
      readonly tokens?: StoredOAuthTokens;
    } = {},
  ) {
    const { redirectUrl, scope, client, clientMetadataUrl, clientName = "PenguiFlow" } = options;
    this.#options = options;
    this.#registrations = registrations;
    this.#state = state;
    this.verifier = known.verifier;
    this.discovery = known.discovery;
    this.#tokens = known.tokens;
    this.redirectUrl = redirectUrl;
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
    this.clientMetadata = {
      client_name: clientName,
      redirect_uris: [String(redirectUrl)],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: client?.secret === undefined ? "none" : "client_secret_basic",
      ...(scope === undefined ? {} : { scope }),
    };
  }

  state(): string {
    return this.#state ?? "";
  }

  async clientInformation(context?: { readonly issuer: string }): Promise<StoredOAuthClientInformation | undefined> {
    const { client } = this.#options;
    if (client !== undefined) {
      const { id, secret, issuer } = client;
      if (context !== undefined && new URL(context.issuer).href !== new URL(issuer).href)
        throw new Error(`it names the authorization server "${context.issuer}", and "${issuer}" is expected`);
      return {
        client_id: id,
        issuer: context?.issuer ?? issuer,
        ...(secret === undefined ? {} : { client_secret: secret }),
      };
    }
    this.#issuer = context?.issuer ?? this.#issuer;
    return this.#issuer === undefined ? undefined : await this.#registrations.read(this.#issuer);
  }

  async saveClientInformation(
    client: StoredOAuthClientInformation,
    context?: { readonly issuer: string },
  ): Promise<void> {
    const issuer = context?.issuer ?? this.#issuer;
    if (this.#options.client === undefined && issuer !== undefined) await this.#registrations.write(issuer, client);
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.saved ?? this.#tokens;
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.saved = tokens;
  }

  redirectToAuthorization(url: URL): void {
    this.url = url;
  }

  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }

  codeVerifier(): string {
    return this.verifier ?? "";
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.discovery = state;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.discovery;
  }

  async invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): Promise<void> {
    if (scope === "client" && this.#issuer !== undefined) await this.#registrations.delete(this.#issuer);
    if (scope === "tokens") this.#tokens = undefined;
  }
}

function refusalOf(params: URLSearchParams): Error {
  const error = params.get("error") ?? "the callback has no code";
  const description = params.get("error_description");
  return new Error(description === null ? error : `${error}: ${description}`);
}
