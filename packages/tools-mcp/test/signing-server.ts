import { OAuthError, OAuthErrorCode, requireBearerAuth } from "@modelcontextprotocol/server";
import { create, node } from "penguiflow";
import { mcpServer } from "../src/server/index.ts";
import { type AuthorizationServer, authorizationServer } from "./authorization-server.ts";
import { loopback } from "./loopback.ts";

/** An MCP server with one tool, which takes the tokens of an authorization server of its own. */
export interface SigningServer extends AsyncDisposable {
  readonly issuer: AuthorizationServer;
  readonly url: string;
  /** Scopes that it wants. */
  readonly wanted: string[];
  /** Number of requests to the MCP server. */
  readonly requests: () => number;
  /** Ends its connections, and takes no others. */
  stop(): Promise<void>;
}

/** Starts one on this machine. */
export async function signingServer(settings: { readonly expiresIn?: number } = {}): Promise<SigningServer> {
  const issuer = await authorizationServer(settings);
  const flow = create(node("whoami", (_message, ctx) => ctx.tenant).to());
  flow.run();
  const wanted: string[] = [];
  let requests = 0;
  const metadata = (): string => `${at.url}/.well-known/oauth-protected-resource`;
  const server = mcpServer({
    name: "crm",
    version: "1.0.0",
    tools: [{ flow, name: "whoami", description: "Says who you are" }],
    authenticate: async (request) =>
      await requireBearerAuth({
        requiredScopes: wanted,
        resourceMetadataUrl: metadata(),
        verifier: {
          verifyAccessToken: async (token) => {
            const user = issuer.tokens.get(token);
            if (user === undefined) throw new OAuthError(OAuthErrorCode.InvalidToken, "unknown token");
            return { token, clientId: "test", scopes: [], expiresAt: Date.now() / 1000 + 60, extra: { user } };
          },
        },
      })(request),
    caller: ({ authInfo }) => ({ tenant: String(authInfo?.extra?.["user"]) }),
  });
  const listener = server.listener();
  const at = await loopback((request, response) => {
    if (request.url?.startsWith("/.well-known/oauth-protected-resource") !== true) {
      requests += 1;
      return listener(request, response);
    }
    const about = { resource: at.url, authorization_servers: [issuer.url] };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(about));
  });
  return {
    issuer,
    url: at.url,
    wanted,
    requests: () => requests,
    stop: async () => await at.close(),
    async [Symbol.asyncDispose]() {
      await server.close();
      await flow.stop();
      await issuer.close();
      await at.close();
    },
  };
}
