import { createHash, randomUUID } from "node:crypto";
import { loopback, type Loopback } from "./loopback.ts";

/** A small OAuth 2.1 authorization server: registration, authorization code with PKCE, rotating refresh tokens. */
export interface AuthorizationServer extends Loopback {
  /** Users by their access token. */
  readonly tokens: Map<string, string>;
  /** Users by their refresh token. */
  readonly refreshTokens: Map<string, string>;
  /** Requests for tokens. */
  readonly requests: URLSearchParams[];
  /** Number of registrations. */
  readonly registrations: () => number;
  /** Plays the browser of a user who opens a sign-in page and consents, and returns the query of the callback. */
  consent(url: string, user: string): URLSearchParams;
}

interface Grant {
  readonly user: string;
  readonly challenge?: string;
}

/** Starts an authorization server on this machine. */
export async function authorizationServer(
  settings: { readonly expiresIn?: number } = {},
): Promise<AuthorizationServer> {
  const tokens = new Map<string, string>();
  const requests: URLSearchParams[] = [];
  const codes = new Map<string, Grant>();
  const refreshTokens = new Map<string, string>();
  let registered = 0;
  const answer = async (path: string, body: string): Promise<[number, unknown]> => {
    const { url } = at;
    if (path.startsWith("/.well-known/oauth-authorization-server"))
      return [
        200,
        {
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          registration_endpoint: `${url}/register`,
          response_types_supported: ["code"],
          code_challenge_methods_supported: ["S256"],
          token_endpoint_auth_methods_supported: ["none"],
          authorization_response_iss_parameter_supported: true,
        },
      ];
    if (path === "/register") {
      registered += 1;
      return [201, { ...(JSON.parse(body) as object), client_id: `client-${registered}` }];
    }
    if (path !== "/token") return [404, {}];
    const params = new URLSearchParams(body);
    requests.push(params);
    const user = params.get("grant_type") === "refresh_token" ? refreshed(params) : exchanged(params);
    if (user === undefined) return [400, { error: "invalid_grant" }];
    const accessToken = `access-${randomUUID()}`;
    const refreshToken = `refresh-${randomUUID()}`;
    tokens.set(accessToken, user);
    refreshTokens.set(refreshToken, user);
    const { expiresIn: expires = 3600 } = settings;
    return [200, { access_token: accessToken, refresh_token: refreshToken, token_type: "Bearer", expires_in: expires }];
  };
  const exchanged = (params: URLSearchParams): string | undefined => {
    const code = params.get("code") ?? "";
    const grant = codes.get(code);
    codes.delete(code);
    const challenge = createHash("sha256")
      .update(params.get("code_verifier") ?? "")
      .digest("base64url");
    return grant?.challenge === challenge ? grant.user : undefined;
  };
  const refreshed = (params: URLSearchParams): string | undefined => {
    const token = params.get("refresh_token") ?? "";
    const user = refreshTokens.get(token);
    refreshTokens.delete(token);
    return user;
  };
  const at = await loopback((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      void answer(new URL(request.url ?? "/", "http://here").pathname, body).then(([status, value]) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value)),
      );
    });
  });
  return {
    ...at,
    tokens,
    refreshTokens,
    requests,
    registrations: () => registered,
    consent(link, user) {
      const { searchParams } = new URL(link);
      const code = randomUUID();
      codes.set(code, { user, challenge: searchParams.get("code_challenge") ?? "" });
      return new URLSearchParams({ code, state: searchParams.get("state") ?? "", iss: at.url });
    },
  };
}
